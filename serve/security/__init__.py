"""Security of the service: whose is what, and what strangers send that would cost too much.

ownership        whose people, questions and photos a caller may see; quotas
image_guard      images of strangers, decoded first in a process that is killed at its deadline
decoder_process  that process
request_syntax   hosts, origins, addresses and JSON that can be read in one way alone
slow_heads       uvicorn's protocol with a deadline for a request's head
"""
