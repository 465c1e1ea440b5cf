"""What the SDK said about itself: the records of `/v1/logs`."""

import gzip

WARN = 13


def records(requests):
    """(severity number, text) of every record in the kept requests."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    found = []
    for request in requests:
        if request["path"] != "/v1/logs":
            continue
        body = request["body"]
        if request["headers"].get("content-encoding") == "gzip" or request["headers"].get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                found += [(record.severity_number, record.body.string_value) for record in scope.log_records]
    return found


def warnings(requests):
    return [text for severity, text in records(requests) if severity >= WARN]
