# Sourced after environment.sh: gives the tests stock AWS clients in environments of their own: versions 2 and 3 of
# SageMaker's SDK, which exclude each other, and the AWS CLI.

install_aws_clients() {
    local name folder stamp wanted pins=$root/tests/interop_aws/constraints.txt
    local -A packages=([sdk-v2]='sagemaker==2.257.7' [sdk-v3]='sagemaker==3.27.0' [cli]='awscli')
    for name in sdk-v2 sdk-v3 cli; do
        folder=$root/.venv-aws-$name
        stamp=$folder/.vision-aws
        wanted="${packages[$name]} $(cksum <"$pins")"
        if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
            echo "making the virtual environment $folder with ${packages[$name]}"
            "$venv/bin/python" -m uv venv --quiet --clear --python "$venv/bin/python" "$folder"
            # Version 2 does not require setuptools, but imports it.
            "$venv/bin/python" -m uv pip install --quiet --python "$folder/bin/python" \
                --constraint "$pins" "${packages[$name]}" setuptools
            echo "$wanted" >"$stamp"
        fi
    done
    export VISION_SDK_V2_PYTHON=$root/.venv-aws-sdk-v2/bin/python
    export VISION_SDK_V3_PYTHON=$root/.venv-aws-sdk-v3/bin/python
    export VISION_AWS_CLI_PYTHON=$root/.venv-aws-cli/bin/python
}
