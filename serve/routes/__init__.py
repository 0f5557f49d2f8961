"""Routes of the API: image_routes, question_routes (questions, answers, recommendations), person_routes, service_routes."""
