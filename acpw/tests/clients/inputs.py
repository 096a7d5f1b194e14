"""Checks inputs of AWS's API operations against botocore's models.

Reads a JSON object from standard input: a list of inputs for each operation. Exits with 1 and the errors if one does not
fit its model.
"""

import json
import sys

import botocore.session
from botocore.validate import ParamValidator

SERVICES = {
    "PutDashboard": "cloudwatch",
    "PutMetricAlarm": "cloudwatch",
    "PutScalingPolicy": "application-autoscaling",
    "RegisterScalableTarget": "application-autoscaling",
}


def outside_of_enums(value, shape, path):
    """Yields texts that are not in their enumeration, which ParamValidator does not check."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                yield from outside_of_enums(member, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from outside_of_enums(item, shape.member, f"{path}[{index}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value} is not one of {', '.join(shape.enum)}"


def errors(operation, params):
    model = botocore.session.get_session().get_service_model(SERVICES[operation])
    shape = model.operation_model(operation).input_shape
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        yield f"{operation}: {report.generate_report()}"
    else:
        yield from outside_of_enums(params, shape, operation)


found = [
    error
    for operation, inputs in json.load(sys.stdin).items()
    for params in inputs
    for error in errors(operation, params)
]
print("\n".join(found), file=sys.stderr)
sys.exit(1 if found else 0)
