"""Questions, their answers, and what comes of them: recommendations, and predictions of other images."""

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi import Path as InPath

from beholder.serve import auth, schemas
from beholder.serve.admission import RequestRunner
from beholder.serve.problem_details import ProblemError, responses
from beholder.serve.protocols import Authorizer


def add_routes(app: FastAPI, runner: RequestRunner, authorizer: Authorizer | None) -> None:
    """Add the routes of questions, answers, recommendations and predictions."""
    service, limits = runner.service, runner.limits
    ask, recommend = ([auth.needs(scope, authorizer)] for scope in ("ask", "recommend"))

    @app.post("/v1/questions", operation_id="ask", dependencies=ask, responses=responses(404), tags=["questions"])
    async def question(body: schemas.AskRequest) -> schemas.QuestionResponse:
        """Return the two edits to ask a person about now. Asked again before it is answered, it is another question."""
        attribute, steering = body.attribute or "", body.steering()
        work = service.question(
            body.user_id, body.image_id, body.strategy, attribute=attribute, steering=steering, repeats=body.repeats
        )
        asked = await runner.run(work)
        runner.count("question", asked.question.strategy)
        return schemas.QuestionResponse.of(asked)

    @app.get(
        "/v1/questions", operation_id="ask_by_get", dependencies=ask, responses=responses(404), tags=["questions"], deprecated=True
    )
    async def question_by_get(
        user_id: Annotated[schemas.UserId, Query()],
        image_id: Annotated[schemas.ImageId, Query()],
        strategy: Annotated[schemas.Strategy | None, Query()] = None,
    ) -> schemas.QuestionResponse:
        """Return what POST returns. A question is kept, which a GET should not do: use POST."""
        return await question(schemas.AskRequest.model_validate({"user_id": user_id, "image_id": image_id, "strategy": strategy}))

    @app.post("/v1/choices", operation_id="answer", dependencies=ask, responses=responses(404, 409), tags=["questions"])
    async def answer(body: schemas.AnswerRequest) -> schemas.AnswerResponse:
        """Answer a question. The same answer again changes nothing; another one is a conflict until the first is taken back."""
        recorded = await runner.run(service.answer(body.event_id, body.question_id, body.choice, body.response_seconds))
        runner.count("choice", recorded.choice if recorded.counted else "again")
        return schemas.AnswerResponse.of(recorded)

    @app.delete("/v1/choices/{question_id}", operation_id="retract", dependencies=ask, responses=responses(404), tags=["questions"])
    async def retract(question_id: Annotated[schemas.Identifier, InPath()]) -> schemas.RetractionResponse:
        """Take an answer back."""
        retracted = await runner.run(service.retract(question_id))
        runner.count("choice", "undone" if retracted.undone else "nothing to undo")
        return schemas.RetractionResponse.of(retracted)

    @app.post(
        "/v1/recommendations", operation_id="recommend", dependencies=recommend, responses=responses(404), tags=["recommendations"]
    )
    async def recommendations(body: schemas.RecommendRequest) -> schemas.RecommendationResponse:
        """Return the edits of an image that a person will like most, best first."""
        count = min(body.count, limits.recommendations)
        recommendation = await runner.run_heavy(
            lambda: service.recommend(body.user_id, body.image_id, count, attribute=body.attribute or "", steering=body.steering())
        )
        runner.count("model", recommendation.model)
        return schemas.RecommendationResponse.of(recommendation)

    @app.post("/v1/scores", operation_id="score", dependencies=recommend, responses=responses(404), tags=["recommendations"])
    async def scores(body: schemas.ScoresRequest) -> schemas.EditScoresResponse:
        """Score any edits of an image for a person, each in words; nothing is drawn for it."""
        scored = await runner.run(service.scores(body.user_id, body.image_id, body.edits, attribute=body.attribute or ""))
        return schemas.EditScoresResponse.of(scored)

    @app.post("/v1/predictions", operation_id="predict", dependencies=recommend, responses=responses(404), tags=["recommendations"])
    async def predictions(body: schemas.PredictRequest) -> schemas.ScoresResponse:
        """Score images for a person, on an attribute or a question in words, beside typical images."""
        given: list[str | bytes] = [*body.image_ids, *map(schemas.decode_image, body.images)]
        if len(given) > limits.images:
            raise ProblemError(422, f"expected at most {limits.images} images, got {len(given)}")
        scores = await runner.run_heavy(
            lambda: service.predict(body.user_id, given, attribute=body.attribute, question=body.question)
        )
        return schemas.ScoresResponse.of(scores, body.image_ids)
