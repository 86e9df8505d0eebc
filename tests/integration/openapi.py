"""Holds what the server does against what it says of itself in /api/v1/openapi.json."""
import re
import urllib.parse

import jsonschema

# Every address answers these too, says the document in words.
UNLISTED_METHODS = {"HEAD", "OPTIONS"}


class ApiDocument:
    """check() is a hook for requests: every answer must be one that the document foretells."""

    def __init__(self, document):
        self.document = document
        self.seen = set()  # (method, path pattern, status)
        self.patterns = {
            path: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
            for path in document["paths"]}

    def operations(self):
        """(method, path pattern, operation), of all."""
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method in ("get", "post", "put", "delete", "patch"):
                    yield method.upper(), path, operation

    def promised(self):
        return {(method, path, int(status)) for method, path, operation in self.operations()
                for status in operation["responses"]}

    def resolve(self, node):
        while "$ref" in node:
            parts = node["$ref"].removeprefix("#/").split("/")
            node = self.document
            for part in parts:
                node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def path_of(self, url):
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
        # Literal paths win over patterns: both /v2/models/{m} and /v2/models/stats could match.
        for pattern in sorted(self.patterns, key=lambda p: p.count("{")):
            if self.patterns[pattern].fullmatch(path):
                return pattern
        return None

    def validate(self, value, schema):
        """Raises where it does not fit. References are of the whole document."""
        jsonschema.Draft202012Validator(
            {**schema, "components": self.document["components"]},
            format_checker=jsonschema.FormatChecker()).validate(value)

    def check(self, response, *_arguments, **_keywords):
        method = response.request.method
        path = self.path_of(response.url)
        if path is None or method in UNLISTED_METHODS:
            return
        operation = self.document["paths"][path].get(method.lower())
        if operation is None:
            assert response.status_code in (403, 405), (method, path, response.status_code)
            return
        what = (method, path, response.status_code)
        assert str(response.status_code) in operation["responses"], f"{what} is not documented"
        self.check_answer(what, response, self.resolve(
            operation["responses"][str(response.status_code)]))
        self.seen.add(what)

    def check_answer(self, what, response, promised):
        required = {"Retry-After", "WWW-Authenticate", "Content-Range", "ETag", "Accept-Ranges"}
        for name in promised.get("headers", {}).keys() & required:
            assert name in response.headers, f"{what} lacks {name}"
        for name, header in promised.get("headers", {}).items():
            if name in response.headers and header["schema"].get("const"):
                assert response.headers[name] == header["schema"]["const"], what
        content = promised.get("content")
        if content is None and what[2] == 101:
            return  # what follows are the socket's frames
        if content is None:
            assert response.content == b"", f"{what} has a body"
            return
        media_type = response.headers["Content-Type"].split(";")[0]
        assert media_type in content, f"{what}: {media_type} is not documented"
        if media_type.endswith("json"):
            self.validate(response.json(), content[media_type]["schema"])


def media_examples(node, schema=None):
    """(example, its schema) of everything in the document that has both."""
    if isinstance(node, list):
        for each in node:
            yield from media_examples(each)
    elif isinstance(node, dict):
        if "example" in node and "schema" in node:
            yield node["example"], node["schema"]
        for each in node.values():
            yield from media_examples(each)
