"""Routes of the API: image_routes, question_routes (questions, answers, recommendations), person_routes, study_routes,
service_routes; api_reference, their description as a page; resource_route, what all routes have.
"""
