"""``vision aws``: a local endpoint for stock AWS clients."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vision.cli.assignments import read_assignments
from vision.settings.errors import UserError
from vision.settings.nearest import did_you_mean, shown

HELP = """\
Usage: vision aws serve root=FOLDER [port=4566] [NAME=VALUE ...]
       vision aws env root=FOLDER [port=4566]
       vision aws notebook root=FOLDER [port=4566]
       vision aws doctor

serve answers boto3, the AWS CLI and the SageMaker SDK on this machine: buckets (s3://bucket/key is the
file FOLDER/bucket/key), training and tuning jobs of the three algorithms and their logs, Rekognition
Custom Labels from project to detection, labels of stored videos (StartLabelDetection, with label_model),
and Rekognition's collections: of whole images (CreateCollection with Tags holds=images, and search_model)
or of faces (face_model, too). A browser at the same address shows jobs, curves and logs.
Signatures are not checked, so only this machine is listened to.
env prints what to export so that clients come here: eval "$(vision aws env root=FOLDER)"
notebook prints the same as the first cell of a notebook, with a role in place of get_execution_role().
doctor says where the clients of this environment go. It exits with 1 if calls would reach AWS or nobody.

{settings}"""

_WORDS = ("serve", "env", "notebook", "doctor")


def run(argv: Sequence[str]) -> int:
    """Serve, or print how clients come here. Return the exit status."""
    from vision.aws.settings import AwsSettings

    if not argv or {"-h", "--help"}.intersection(argv):
        print(HELP.format(settings=_settings_help()))
        return 0
    word, *rest = argv
    if word not in _WORDS:
        raise UserError(f"vision aws {shown(word)} is unknown: {did_you_mean(word, _WORDS)}")
    try:
        from vision.aws.client_environment import exports, notebook_cell
        from vision.aws.doctor import diagnosis

        if word == "serve":
            from vision.aws.server import serve
    except ModuleNotFoundError as error:
        raise UserError(f"vision aws needs the package {error.name}: pip install 'vision[serve]'") from error
    if word == "doctor":
        if rest:
            raise UserError(f"vision aws doctor takes no settings, but there is {shown(rest[0])}: leave it out")
        text, is_well = diagnosis(os.environ)
        print(text)
        return 0 if is_well else 1
    given = read_assignments(rest, names=tuple(AwsSettings.model_fields), sections=())
    settings = AwsSettings.parse(given.names)
    if word == "serve":
        return serve(settings)
    print(exports(settings) if word == "env" else notebook_cell(settings))
    return 0


def _settings_help() -> str:
    from vision.aws.settings import AwsSettings

    width = max(map(len, AwsSettings.model_fields))
    lines = []
    for name, field in AwsSettings.model_fields.items():
        default = "" if field.is_required() or field.default in (None, ()) else f" ({field.default})"
        lines.append(f"  {name:<{width}}  {field.description}{default}")
    return "\n".join(lines)
