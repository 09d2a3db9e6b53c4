"""HTTP: endpoints with their authorization, requests, responses and the OpenAPI document."""
