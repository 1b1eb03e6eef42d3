#!/usr/bin/env python3
"""Makes C++ of the table of Kafka messages: kafka_messages.py messages.txt OUT, writing OUT.inc (a header) and OUT.cpp.

A message becomes a struct with `read` and `write`, both given the version. Text of a request is a view into its bytes; a
response owns its text, so that a handler may build it from anything."""

import re
import sys

SCALARS = {"bool": ("bool", "boolean"), "int8": ("int8_t", "integer"), "int16": ("int16_t", "integer"), "int32": ("int32_t", "integer"),
           "int64": ("int64_t", "integer"), "uuid": ("Uuid", "uuid")}
TEXTS = {"string", "bytes", "records"}
VERSION_MAX = 32767


class Field:
    def __init__(self, line, words):
        self.name, self.type = words[0], words[1]
        self.first, self.last, self.default, self.fields = 0, VERSION_MAX, None, []
        for word in words[2:]:
            if match := re.fullmatch(r"(\d+)\+", word):
                self.first = int(match[1])
            elif match := re.fullmatch(r"(\d+)-(\d+)", word):
                self.first, self.last = int(match[1]), int(match[2])
            elif word.startswith("="):
                self.default = word[1:]
            else:
                sys.exit(f"messages.txt:{line}: not understood: {word}")
        self.nullable = self.type.endswith("?")
        bare = self.type.rstrip("?")
        self.is_array = bare.startswith("[")
        self.element = bare[1:-1] if self.is_array else bare
        self.is_struct = self.is_array and not self.element
        if not self.is_struct and self.element not in SCALARS and self.element not in TEXTS:
            sys.exit(f"messages.txt:{line}: unknown type: {self.type}")

    @property
    def struct_name(self):
        return "".join(part.capitalize() for part in self.name.split("_"))


class Api:
    def __init__(self, words):
        self.name, self.key = words[0], int(words[1])
        self.first, self.last = (int(v) for v in words[2].split("-"))
        self.flexible = int(words[3])
        self.messages = {}


def parse(path):
    apis, stack = [], []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            depth, words = (len(line) - len(line.lstrip())) // 2, line.split()
            if words[0] == "api" and depth == 0:
                apis.append(Api(words[1:]))
            elif depth == 0:
                stack = [apis[-1].messages.setdefault(words[0].capitalize(), [])]
            else:
                field = Field(number, words)
                del stack[depth:]
                stack[-1].append(field)
                stack.append(field.fields)
    return apis


def element_type(field, owned):
    if field.is_struct:
        return field.struct_name
    if field.element in TEXTS:
        return "std::string" if owned else "std::string_view"
    return SCALARS[field.element][0]


def member_type(field, owned):
    bare = element_type(field, owned)
    if field.is_array:
        bare = f"std::vector<{bare}>"
    return f"std::optional<{bare}>" if field.nullable else bare


def declare(name, fields, owned, indent=""):
    lines = [f"{indent}struct {name} {{"]
    for field in fields:
        if field.is_struct:
            lines += declare(field.struct_name, field.fields, owned, indent + "  ")
    for field in fields:
        default = f" = {field.default}" if field.default else "{}"
        lines.append(f"{indent}  {member_type(field, owned)} {field.name}{default};")
    lines.append(f"{indent}  void read(WireReader& in, int16_t version);")
    lines.append(f"{indent}  void write(WireWriter& out, int16_t version) const;")
    lines.append(f"{indent}}};")
    return lines


def guard(field, api):
    parts = []
    if field.first > 0:
        parts.append(f"version >= {field.first}")
    if field.last < VERSION_MAX:
        parts.append(f"version <= {field.last}")
    return f"if ({' && '.join(parts)}) " if parts else ""


def method(field):
    return "text" if field.element in TEXTS and field.element == "string" else "bytes" if field.element in TEXTS else SCALARS[field.element][1]


def define(path, name, fields, api):
    full = f"{path}::{name}" if path else name
    lines = []
    for field in fields:
        if field.is_struct:
            lines += define(full, field.struct_name, field.fields, api)
    for verb, way, const in (("read", "WireReader& in", ""), ("write", "WireWriter& out", " const")):
        stream = way.split()[-1]
        lines.append(f"void {full}::{verb}([[maybe_unused]] {way}, [[maybe_unused]] int16_t version){const} {{")
        lines.append(f"  [[maybe_unused]] const bool flexible = version >= {api.flexible};")
        for field in fields:
            if field.is_struct:
                call = f"{stream}.array({field.name}, flexible, [&](auto& item) {{ item.{verb}({stream}, version); }})"
            elif field.is_array:
                call = f"{stream}.array({field.name}, flexible, [&](auto& item) {{ {stream}.{method(field)}(item{length(field)}); }})"
            else:
                call = f"{stream}.{method(field)}({field.name}{length(field)})"
            lines.append(f"  {guard(field, api)}{call};")
        lines.append(f"  if (flexible) {stream}.tags();")
        lines.append("}")
    return lines


def length(field):
    return ", flexible" if field.element in TEXTS else ""


def main():
    table, out = sys.argv[1], sys.argv[2]
    apis = parse(table)
    head = ["// Made by tools/kafka_messages.py of src/server/kafka/messages.txt.", "#pragma once", "",
            '#include "server/kafka/wire.h"', "", "namespace millrace::server::kafka {", "", "enum class ApiKey : int16_t {"]
    head += [f"  k{api.name} = {api.key}," for api in apis] + ["};", ""]
    head += ["/// What is advertised of one request.", "struct ApiRange {", "  ApiKey key;", "  int16_t first;", "  int16_t last;",
             "  int16_t flexible;", "};", "inline constexpr ApiRange kApiRanges[] = {"]
    head += [f"    {{ApiKey::k{api.name}, {api.first}, {api.last}, {api.flexible}}}," for api in apis] + ["};", ""]
    body = ["// Made by tools/kafka_messages.py of src/server/kafka/messages.txt.",
            f'#include "server/kafka_messages.inc"', "", "namespace millrace::server::kafka {", ""]
    for api in apis:
        for kind, fields in api.messages.items():
            head += declare(api.name + kind, fields, kind == "Response") + [""]
            body += define("", api.name + kind, fields, api) + [""]
    head += ["/// Calls visit(request, response, range) for every kind of request.", "template <typename Visit>",
             "void for_each_api(Visit&& visit) {"]
    head += [f"  visit({api.name}Request{{}}, {api.name}Response{{}}, kApiRanges[{i}]);" for i, api in enumerate(apis)] + ["}", ""]
    for suffix, lines in ((".inc", head), (".cpp", body)):
        with open(out + suffix, "w", encoding="utf-8") as file:
            file.write("\n".join(lines + ["}  // namespace millrace::server::kafka", ""]))


if __name__ == "__main__":
    main()
