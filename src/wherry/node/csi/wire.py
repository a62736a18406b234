"""The protobuf messages of a CSI driver's node service and of plugin registration, by name; as plain dicts outside.

Built from the table below, field numbers as published; fields that nothing here uses are left out.
https://github.com/container-storage-interface/spec/blob/master/csi.proto
https://github.com/kubernetes/kubelet/blob/master/pkg/apis/pluginregistration/v1/api.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import Message

_PACKAGE = "wherry.csi"
_MAP, _TEXT, _BOOL, _INT = "map", "string", "bool", "int64"
_CAPABILITY = {"block": (1, "Empty"), "mount": (2, "MountVolume"), "access_mode": (3, "AccessMode")}
FIELDS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Empty": {},
    "MountVolume": {"fs_type": (1, _TEXT), "mount_flags": (2, "repeated string"), "volume_mount_group": (3, _TEXT)},
    "AccessMode": {"mode": (1, _INT)},
    "VolumeCapability": _CAPABILITY,
    "CapacityRange": {"required_bytes": (1, _INT), "limit_bytes": (2, _INT)},
    "NodeStageVolumeRequest": {
        "volume_id": (1, _TEXT), "publish_context": (2, _MAP), "staging_target_path": (3, _TEXT),
        "volume_capability": (4, "VolumeCapability"), "secrets": (5, _MAP), "volume_context": (6, _MAP),
    },
    "NodeUnstageVolumeRequest": {"volume_id": (1, _TEXT), "staging_target_path": (2, _TEXT)},
    "NodePublishVolumeRequest": {
        "volume_id": (1, _TEXT), "publish_context": (2, _MAP), "staging_target_path": (3, _TEXT),
        "target_path": (4, _TEXT), "volume_capability": (5, "VolumeCapability"), "readonly": (6, _BOOL),
        "secrets": (7, _MAP), "volume_context": (8, _MAP),
    },
    "NodeUnpublishVolumeRequest": {"volume_id": (1, _TEXT), "target_path": (2, _TEXT)},
    "NodeExpandVolumeRequest": {
        "volume_id": (1, _TEXT), "volume_path": (2, _TEXT), "capacity_range": (3, "CapacityRange"),
        "staging_target_path": (4, _TEXT), "volume_capability": (5, "VolumeCapability"), "secrets": (6, _MAP),
    },
    "Rpc": {"type": (1, _INT)},
    "NodeServiceCapability": {"rpc": (1, "Rpc")},
    "NodeGetCapabilitiesResponse": {"capabilities": (1, "repeated NodeServiceCapability")},
    "Topology": {"segments": (1, _MAP)},
    "NodeGetInfoResponse": {
        "node_id": (1, _TEXT), "max_volumes_per_node": (2, _INT), "accessible_topology": (3, "Topology"),
    },
    "PluginInfo": {
        "type": (1, _TEXT), "name": (2, _TEXT), "endpoint": (3, _TEXT), "supported_versions": (4, "repeated string"),
    },
    "RegistrationStatus": {"plugin_registered": (1, _BOOL), "error": (2, _TEXT)},
}  # fmt: skip
"""Message -> field -> (number, type). An enum travels as its number, so it stands here as an integer."""


def _build() -> dict[str, type[Message]]:
    from google.protobuf import descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="wherry/csi.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in FIELDS}
    return {name: message_factory.GetMessageClass(one) for name, one in found.items()}


def _add(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    proto = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(name=name, number=number, label=proto.LABEL_OPTIONAL)
    repeated, _, inner = kind.rpartition(" ")
    if repeated:
        field.label = proto.LABEL_REPEATED
    if inner == _MAP:
        entry = message.nested_type.add(name="".join(word.title() for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        for part, at in (("key", 1), ("value", 2)):
            entry.field.add(name=part, number=at, label=proto.LABEL_OPTIONAL, type=proto.TYPE_STRING)
        field.label, field.type = proto.LABEL_REPEATED, proto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{message.name}.{entry.name}"
    elif inner in (_TEXT, _BOOL, _INT):
        field.type = {_TEXT: proto.TYPE_STRING, _BOOL: proto.TYPE_BOOL, _INT: proto.TYPE_INT64}[inner]
    else:
        field.type, field.type_name = proto.TYPE_MESSAGE, f".{_PACKAGE}.{inner}"


_CLASSES: dict[str, type[Message]] = {}


def _class(name: str) -> type[Message]:
    if not _CLASSES:
        _CLASSES.update(_build())
    return _CLASSES[name]


def encode(name: str, value: Mapping[str, Any]) -> bytes:
    """A message as bytes. Raises json_format.ParseError for fields it does not have."""
    from google.protobuf import json_format  # a megabyte that nodes without drivers do not need

    return json_format.ParseDict(dict(value), _class(name)()).SerializeToString()


def decode(name: str, data: bytes) -> dict[str, Any]:
    """Bytes as a dict by the fields' own names, those that are not set included. Numbers are integers."""
    message = _class(name)()
    message.ParseFromString(data)
    return _plain(message)


def _plain(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        kind = FIELDS[message.DESCRIPTOR.name][field.name][1]
        if kind == _MAP:
            found[field.name] = dict(value)
        elif kind.startswith("repeated"):
            found[field.name] = [_plain(one) if isinstance(one, Message) else one for one in value]
        elif isinstance(value, Message):
            found[field.name] = _plain(value) if message.HasField(field.name) else None
        else:
            found[field.name] = value
    return found
