"""Ray on the online side: thin deployments around the library's recommendation service, an API and a web page.

run               `beholder serve`
settings          its settings; replicas, cores, queues and batches of each deployment
app               all deployments bound together on Ray Serve, run here or by `serve build` and `serve deploy`
api, routes/      the service as HTTP
schemas           the bodies of requests and responses
problem_details   errors as problem+json (RFC 9457)
auth              API keys and people's tokens, scopes, and rate limits
security/         whose is what, and what strangers send that would cost too much
admission         the concurrency limit, deadlines and what a request may cost; Retry-After
middleware        body size, host and origin of every request; draining before a stop
proxy_retry       in Serve's proxy: another replica is asked where one died under a request
protocols         what the API asks of a service, of metrics and of an authorizer
local_service     the service in this process
ray_service       the service spread over Ray Serve's deployments
deployments       Editor, Encoder and Ranker on Ray Serve
editors/          several editors behind one service
ray_compat        private and environment switches of Ray, with the public way beside each
metrics           what is counted, for Prometheus
watchdog          whether the service and the parts of Ray that it stands on are still there
studies/          studies behind HTTP
page/             the web pages
"""

COMMANDS = {
    "serve": ("beholder.serve.run", "the whole service: a page and an API that ask people, learn and recommend", "serve"),
    "study open": ("beholder.serve.studies.study_open", "a study served to its participants, at /study/NAME", "serve"),
}
