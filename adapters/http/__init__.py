"""The HTTP API: routes, requests, forms, uploads, the page, and the OpenAPI document."""
