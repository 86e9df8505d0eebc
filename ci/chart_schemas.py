#!/usr/bin/env python3
"""Makes the JSON schemas that rendered manifests are held against: one file for each kind, named as
kubeconform asks for it (kind-group-version.json), complete in itself, and strict: what Kubernetes
does not know, it does not allow.

    chart_schemas.py --swagger swagger.json --out DIR     the kinds of one Kubernetes version
    chart_schemas.py --crds CRD.yaml... --out DIR         custom resources
"""
import argparse
import json
import pathlib
import sys

REF = "#/definitions/"


def closed(schema):
    """`schema`, whose objects allow nothing but the properties that they name. What says that it is
    free (a map, or preserve-unknown-fields) stays so."""
    if isinstance(schema, list):
        return [closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed_properties(value) if key == "properties" else closed(value)
              for key, value in schema.items()
              if key not in ("default", "example", "description", "format")}
    if "properties" in result and "additionalProperties" not in result and \
            not result.get("x-kubernetes-preserve-unknown-fields"):
        result["additionalProperties"] = False
    return result


def closed_properties(properties):
    """A property may be called "default" or "format" itself."""
    return {name: closed(value) for name, value in properties.items()}


def special(name, schema):
    """Types that the document states more narrowly than the API server reads them."""
    if name.endswith(".intstr.IntOrString") or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    if name.endswith(".api.resource.Quantity"):
        return {"type": ["string", "number"]}
    return schema


def nullable_as_types(schema):
    """OpenAPI's "nullable", and int-or-string, in JSON schema's words."""
    if isinstance(schema, list):
        return [nullable_as_types(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: nullable_as_types(value) for key, value in schema.items()}
    if result.get("x-kubernetes-int-or-string") is True:
        result.pop("anyOf", None)
        result["type"] = ["string", "integer"]
    if result.get("nullable") is True and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return result


def used(definitions, names):
    """The definitions that those of `names` refer to, with themselves."""
    found, waiting = {}, list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = definitions[name]
            text = json.dumps(definitions[name])
            waiting += [part.split('"', 1)[0] for part in text.split(f'"{REF}')[1:]]
    return found


def write(folder, kind, group, version, schema):
    # kubeconform shortens "networking.k8s.io" to "networking".
    parts = [kind, group.split(".")[0], version] if group else [kind, version]
    path = folder / ("-".join(parts).lower() + ".json")
    path.write_text(json.dumps(schema, sort_keys=True), encoding="utf-8")


def of_kubernetes(swagger, folder):
    definitions = {name: closed(special(name, schema))
                   for name, schema in json.loads(swagger.read_text("utf-8"))["definitions"].items()}
    for name, schema in definitions.items():
        for known in schema.get("x-kubernetes-group-version-kind", []):
            # DeleteOptions and the like belong to every group: nobody writes them into a manifest.
            if len(schema["x-kubernetes-group-version-kind"]) > 1 or "kind" not in schema.get("properties", {}):
                continue
            write(folder, known["kind"], known["group"], known["version"],
                  {"$ref": REF + name, "definitions": used(definitions, [name]),
                   "required": ["apiVersion", "kind"]})


def of_custom_resources(files, folder):
    import yaml  # only here

    for path in files:
        for crd in yaml.safe_load_all(path.read_text("utf-8")):
            if not crd or crd.get("kind") != "CustomResourceDefinition":
                continue
            for version in crd["spec"]["versions"]:
                schema = version["schema"]["openAPIV3Schema"]
                # A CRD says "object" of metadata, whose real schema the API server adds.
                schema["properties"].pop("metadata", None)
                schema = closed(nullable_as_types(schema))
                schema["properties"]["metadata"] = {"type": "object"}
                write(folder, crd["spec"]["names"]["kind"], crd["spec"]["group"], version["name"],
                      schema)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swagger", type=pathlib.Path)
    parser.add_argument("--crds", type=pathlib.Path, nargs="+")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if bool(options.swagger) == bool(options.crds):
        parser.error("give either --swagger or --crds")
    options.out.mkdir(parents=True)
    if options.swagger:
        of_kubernetes(options.swagger, options.out)
    else:
        of_custom_resources(options.crds, options.out)
    if not any(options.out.iterdir()):
        sys.exit(f"nothing came out: is {options.swagger or options.crds} what it should be?")


if __name__ == "__main__":
    main()
