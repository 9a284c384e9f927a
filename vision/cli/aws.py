"""``vision aws``: a local endpoint for stock AWS clients."""

from __future__ import annotations

from collections.abc import Sequence

from vision.cli.assignments import read_assignments
from vision.settings.errors import UserError
from vision.settings.nearest import did_you_mean, shown

HELP = """\
Usage: vision aws serve root=FOLDER [port=4566] [NAME=VALUE ...]
       vision aws env root=FOLDER [port=4566]

serve answers boto3, the AWS CLI and the SageMaker SDK on this machine: buckets (s3://bucket/key is the
file FOLDER/bucket/key), training and tuning jobs of the three algorithms, and their logs. Signatures are not
checked, so only this machine is listened to.
env prints what to export so that clients come here: eval "$(vision aws env root=FOLDER)"

{settings}"""

_WORDS = ("serve", "env")


def run(argv: Sequence[str]) -> int:
    """Serve, or print the exports. Returns the exit status."""
    try:
        from vision.aws.settings import AwsSettings
    except ModuleNotFoundError as error:
        raise UserError(f"serving needs the package {error.name}: pip install 'vision[serve]'") from error
    if not argv or {"-h", "--help"}.intersection(argv):
        print(HELP.format(settings=_settings_help()))
        return 0
    word, *rest = argv
    if word not in _WORDS:
        raise UserError(f"vision aws {shown(word)} is unknown: {did_you_mean(word, _WORDS)}")
    given = read_assignments(rest, names=tuple(AwsSettings.model_fields), sections=())
    settings = AwsSettings.parse(given.names)
    if word == "env":
        from vision.aws.client_environment import exports

        print(exports(settings))
        return 0
    from vision.aws.server import serve

    return serve(settings)


def _settings_help() -> str:
    from vision.aws.settings import AwsSettings

    width = max(map(len, AwsSettings.model_fields))
    lines = []
    for name, field in AwsSettings.model_fields.items():
        default = "" if field.is_required() or field.default in (None, ()) else f" ({field.default})"
        lines.append(f"  {name:<{width}}  {field.description}{default}")
    return "\n".join(lines)
