"""Routes of the API: image_routes, question_routes (questions, answers, recommendations), person_routes, study_routes,
service_routes; negotiation, media types and ETags (RFC 9110); page_files, the page's files;
api_document, the OpenAPI document, with api_examples; api_reference, the same as a page;
resource_route, what all routes have.
"""
