"""``vision serve``: answer over HTTP as SageMaker's endpoints do."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vision.cli.assignments import fill_places, read_assignments
from vision.settings.errors import UserError

HELP = """\
Usage: vision serve MODEL [port=8080] [NAME=VALUE ...]

Answers POST /invocations (image/jpeg, image/png, application/x-image, application/x-recordio), GET /ping,
/execution-parameters and /metrics as a SageMaker endpoint does, and the calls of boto3's
client("sagemaker-runtime", endpoint_url="http://127.0.0.1:8080").invoke_endpoint(EndpointName=...),
and of client("rekognition", endpoint_url=...).detect_custom_labels(ProjectVersionArn=..., Image={{"Bytes": ...}},
MinConfidence=50, MaxResults=10). Any ARN is answered; with multi_model=true its version or project names the model.

With indexes=FOLDER it searches the indexes in that folder and adds to them:
  GET /indexes                     lists them; GET, PUT and DELETE /indexes/NAME look at one, make and delete it
  POST /indexes/NAME/search        an image, or records: the images most like it, of similarity 0 to 100, with
                                   ?top=10&threshold=80&rerank=geometry; ?name=IMAGE asks by an image of the index
  POST /indexes/NAME/images        adds an image as ?name=IMAGE, or several at once as JSON:
                                   {{"images": [{{"name": IMAGE, "bytes": the file in base64}}, ...]}}
  GET, DELETE /indexes/NAME/images lists its images by name, and deletes those of ?name=IMAGE

{settings}

Example: vision serve runs/first
         curl -H 'Content-Type: image/jpeg' --data-binary @bird.jpg http://127.0.0.1:8080/invocations"""


def run(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C. Returns the exit status."""
    try:
        from vision.serving.settings import ServingSettings, from_environment
        from vision.serving.supervisor import serve
    except ModuleNotFoundError as error:
        raise UserError(f"serving needs the package {error.name}: pip install 'vision[serve]'") from error
    if {"-h", "--help"}.intersection(argv):
        print(HELP.format(settings=_settings_help()))
        return 0
    names = tuple(ServingSettings.model_fields)
    given = fill_places(read_assignments(argv, names=names, sections=(), allow_files=True), ("model",))
    # The command line overrides the platform's variables.
    return serve(ServingSettings.parse({**from_environment(os.environ), **given.names}))


def _settings_help() -> str:
    from vision.serving.settings import ServingSettings

    width = max(map(len, ServingSettings.model_fields))
    lines = []
    for name, field in ServingSettings.model_fields.items():
        default = "" if field.is_required() or field.default is None else f" ({field.default})"
        lines.append(f"  {name:<{width}}  {field.description}{default}")
    return "\n".join(lines)
