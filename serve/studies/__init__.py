"""Studies behind HTTP.

study_schemas  the bodies of requests and responses
study_access   what the routes need: the service, and answers written into the workspace's tables as they come
study_open     `beholder study open`
"""
