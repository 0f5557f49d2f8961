"""Routes of the API: image_routes, question_routes (questions, answers, recommendations), person_routes, study_routes,
service_routes; negotiation, media types and ETags of pictures (RFC 9110); api_reference, the routes' description as a page.
"""
