"""What four of the contracts tell people: by kind of fault, and by the name of the field as the client sent it."""

from handlers import exceptions
from handlers.exceptions import BadRequest, Fault, ProtocolError, lookup_by_mro

TYPES = {
    "string": "文本",
    "integer": "整数",
    "number": "数字",
    "boolean": "true或false",
    "array": "列表",
    "object": "对象",
}

FAULTS = {
    "missing": "缺少{field}",
    "type": "{field}必须是{bound}",
    "format": "{field}格式不正确",
    "unknown": "{field}不正确",
    "too-short": "{field}不能少于{bound}个字符",
    "too-long": "{field}不能超过{bound}个字符",
    "too-small": "{field}不能小于{bound}",
    "too-large": "{field}不能大于{bound}",
    "too-few": "{field}不能少于{bound}项",
    "too-many": "{field}不能超过{bound}项",
    "repeated": "{field}重复",
    "undeclared": "{field}不正确",
    "encoding": "{field}编码不正确",
    "file": "{field}不能是文件",
    "nothing": "没有要修改的内容",
    "no-body": "缺少请求体",
    "no-json": "请求体不是有效的JSON",
    "no-object": "请求体必须是对象",
    "no-form": "请求体不是有效的表单",
    "not-utf-8": "请求编码不正确",
    "too-deep": "请求体嵌套过深",
    "many-fields": "字段不能超过{bound}个",
    "cut-short": "请求体不完整",
}
"""Kind of fault -> what is said of it."""

PROTOCOL: dict[type[Exception], str] = {
    exceptions.BadRequest: "请求参数错误",
    exceptions.Unauthorized: "请先登录",
    exceptions.Forbidden: "无权访问",
    exceptions.NotFound: "路径不存在",
    exceptions.MethodNotAllowed: "不支持该HTTP方法",
    exceptions.ContentTooLarge: "请求体过大",
    exceptions.UriTooLong: "URL过长",
    exceptions.UnsupportedMediaType: "不支持该媒体类型",
    exceptions.TooManyRequests: "请求过于频繁，请稍后再试",
    exceptions.HeadersTooLarge: "请求头过多或过大",
    exceptions.ServiceUnavailable: "服务暂不可用，请稍后再试",
    exceptions.InternalServerError: "服务器内部错误",
}
"""Failure of the protocol -> what is said of it."""


def tell(error: ProtocolError) -> str:
    """Say a failure of the protocol."""
    if isinstance(error, BadRequest) and error.fault:
        return tell_fault(error.fault)
    return lookup_by_mro(PROTOCOL, error)


def tell_fault(fault: Fault) -> str:
    """Say what is wrong with a request."""
    return FAULTS[fault.kind].format(field=fault.field or "请求", bound=TYPES.get(str(fault.bound), fault.bound))
