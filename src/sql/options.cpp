#include "sql/options.h"

#include <algorithm>

#include "base/config.h"
#include "base/text.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

const OptionSpec* find_spec(const std::vector<OptionSpec>& specs, std::string_view name) {
  auto found = std::find_if(specs.begin(), specs.end(), [&](const OptionSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

const Option* find_option(const std::vector<Option>& options, std::string_view name) {
  auto found = std::find_if(options.begin(), options.end(), [&](const Option& option) { return option.name == name; });
  return found == options.end() ? nullptr : &*found;
}

const OptionGroup* find_group(const std::vector<OptionGroup>& groups, std::string_view name) {
  auto found =
      std::find_if(groups.begin(), groups.end(), [&](const OptionGroup& group) { return iequals(group.name, name); });
  return found == groups.end() ? nullptr : &*found;
}

bool takes_options(ObjectKind kind) { return kind != ObjectKind::kView && kind != ObjectKind::kMacro; }
bool has_connector(ObjectKind kind) { return takes_options(kind) && kind != ObjectKind::kMaterializedView; }

std::vector<std::string> names_of(const std::vector<OptionSpec>& specs) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : specs) names.push_back(spec.name);
  return names;
}

Error bad_option(const Option& option, std::string message, std::string hint) {
  Error error = user_error(sqlstate::kInvalidParameter, std::move(message)).with_hint(std::move(hint));
  return option.value_span.length == 0 ? error : std::move(error).at(option.value_span);
}

bool is_no_limit(std::string_view text) {
  return iequals(text, "none") || iequals(text, "off") || iequals(text, "forever");
}

Status check_range(const OptionSpec& spec, const Option& option, int64_t value, std::string (*shown)(int64_t)) {
  if (value >= spec.minimum && value <= spec.maximum) return {};
  bool below = value < spec.minimum;
  std::string limit = shown(below ? spec.minimum : spec.maximum);
  return bad_option(option, "the option " + spec.name + " is too " + (below ? "small: " : "large: ") + option.value,
                    std::string(below ? "the least is " : "the most is ") + limit);
}

/// Names with commas between them, in double quotes or not.
std::vector<std::string> split_columns(std::string_view text) {
  std::vector<std::string> names;
  for (std::string_view part : split_view(text, ',')) {
    std::string_view name = trim(part);
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
    names.emplace_back(name);
  }
  return names;
}

}  // namespace

const OptionValue* Options::find(std::string_view name) const {
  auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

const std::string& Options::text(std::string_view name) const {
  static const std::string kNone;
  const OptionValue* value = find(name);
  return value == nullptr ? kNone : value->text;
}

int64_t Options::integer(std::string_view name, int64_t otherwise) const {
  const OptionValue* value = find(name);
  return value == nullptr ? otherwise : value->integer;
}

std::optional<Duration> Options::duration(std::string_view name) const {
  const OptionValue* value = find(name);
  if (value == nullptr || value->integer < 0) return std::nullopt;
  return Duration{value->integer};
}

std::vector<std::string> Options::columns(std::string_view name) const {
  const OptionValue* value = find(name);
  return value == nullptr ? std::vector<std::string>() : value->columns;
}

Result<OptionValue> check_option(const OptionSpec& spec, const Option& option) {
  OptionValue value{spec.kind, option.value};
  auto placed = [&](Error error) { return bad_option(option, std::move(error.message), spec.doc); };
  switch (spec.kind) {
    case OptionKind::kText: break;
    case OptionKind::kInteger: {
      Result<int64_t> integer = parse_integer(spec.name, option.value, spec.minimum, spec.maximum);
      if (!integer.ok()) return placed(integer.error());
      value.integer = *integer;
      break;
    }
    case OptionKind::kDuration: {
      if (is_no_limit(trim(option.value))) {
        value.integer = -1;
        break;
      }
      Result<Duration> duration = parse_duration(spec.name, option.value);
      if (!duration.ok()) return placed(duration.error());
      value.integer = duration->micros;
      MR_TRY(
          check_range(spec, option, value.integer, [](int64_t micros) { return format_duration(Duration{micros}); }));
      break;
    }
    case OptionKind::kSize: {
      Result<uint64_t> size = parse_size(spec.name, option.value);
      if (!size.ok()) return placed(size.error());
      value.integer = static_cast<int64_t>(*size);
      MR_TRY(check_range(spec, option, value.integer,
                         [](int64_t bytes) { return format_bytes(static_cast<uint64_t>(bytes)); }));
      break;
    }
    case OptionKind::kBoolean: {
      Result<bool> boolean = parse_bool(spec.name, option.value);
      if (!boolean.ok()) return placed(boolean.error());
      value.integer = *boolean ? 1 : 0;
      break;
    }
    case OptionKind::kEnum: {
      auto choice = std::find_if(spec.choices.begin(), spec.choices.end(),
                                 [&](const std::string& c) { return iequals(c, option.value); });
      if (choice == spec.choices.end()) {
        std::string meant = did_you_mean(option.value, spec.choices);
        std::string list = spec.name + " is " + enumerate(spec.choices, " or ");
        return bad_option(option, "the option " + spec.name + " cannot be " + shorten(option.value),
                          meant.empty() ? list : meant + " " + list);
      }
      value.text = *choice;
      break;
    }
    case OptionKind::kColumn:
    case OptionKind::kColumns:
      value.columns = split_columns(option.value);
      if (spec.kind == OptionKind::kColumn)
        value.text = value.columns.size() == 1 ? value.columns.front() : option.value;
      break;
  }
  return value;
}

void OptionRegistry::add_connector(OptionGroup group) {
  MR_CHECK(connector(group.name) == nullptr, group.name);
  connectors_.push_back(std::move(group));
}

void OptionRegistry::add_format(OptionGroup group) {
  MR_CHECK(format(group.name) == nullptr, group.name);
  formats_.push_back(std::move(group));
}

const OptionGroup* OptionRegistry::connector(std::string_view name) const { return find_group(connectors_, name); }
const OptionGroup* OptionRegistry::format(std::string_view name) const { return find_group(formats_, name); }

/// The group that an option names, or the one called `otherwise`; it must be able to do what the object needs.
Result<const OptionGroup*> OptionRegistry::pick(const std::vector<OptionGroup>& groups, std::string_view what,
                                                const Option* option, std::string_view otherwise, bool for_sink) const {
  const OptionGroup* found = find_group(groups, option != nullptr ? std::string_view(option->value) : otherwise);
  auto fits = [&](const OptionGroup& group) { return for_sink ? group.writes : group.reads; };
  if (option == nullptr || (found != nullptr && fits(*found))) return found;
  std::vector<std::string> known;
  for (const OptionGroup& group : groups) {
    if (fits(group)) known.push_back(group.name);
  }
  std::string message = found == nullptr
                            ? "unknown " + std::string(what) + ": " + shorten(option->value)
                            : "the " + std::string(what) + " only " + (for_sink ? "reads: " : "writes: ") + found->name;
  std::string hint = did_you_mean(option->value, known);
  if (!hint.empty()) hint += ' ';
  return bad_option(*option, std::move(message), hint + "known ones: " + enumerate(known));
}

Result<Options> OptionRegistry::check(ObjectKind kind, const Name& object, const std::vector<Option>& given) const {
  const OptionGroup* connector = nullptr;
  const OptionGroup* format = nullptr;
  if (has_connector(kind)) {
    bool for_sink = kind == ObjectKind::kSink;
    const Option* named = find_option(given, "connector");
    MR_ASSIGN(connector, pick(connectors_, "connector", named, for_sink ? "" : "log", for_sink));
    if (connector != nullptr) {
      MR_ASSIGN(format, pick(formats_, "format", find_option(given, "format"), connector->default_format, for_sink));
    }
  }
  std::vector<OptionSpec> known = specs(kind, connector, format);
  std::string owner = "a " + std::string(object_kind_name(kind));
  if (connector != nullptr) owner += " with connector " + connector->name;
  Options options;
  for (const Option& option : given) {
    const OptionSpec* spec = find_spec(known, option.name);
    if (spec == nullptr) {
      std::string hint = did_you_mean(option.name, names_of(known));
      if (!hint.empty()) hint += ' ';
      hint += known.empty() ? owner + " takes no options" : owner + " takes: " + enumerate(names_of(known));
      return user_error(sqlstate::kInvalidParameter, "unknown option of " + owner + ": " + option.name)
          .at(option.name_span)
          .with_hint(std::move(hint));
    }
    if (option.value.empty()) continue;  // load = '${file:-}' with nothing set
    MR_ASSIGN(OptionValue value, check_option(*spec, option));
    value.given = true;
    options.set(option.name, std::move(value));
  }
  for (const OptionSpec& spec : known) {
    if (options.has(spec.name)) continue;
    if (spec.required) {
      return user_error(sqlstate::kInvalidParameter, owner + " needs the option " + spec.name)
          .at(object.span)
          .with_hint("add " + spec.name + " = … to its WITH list: " + spec.doc);
    }
    if (spec.default_text.empty()) continue;
    Option by_default;
    by_default.name = spec.name;
    by_default.value = spec.default_text;
    MR_ASSIGN(OptionValue value, check_option(spec, by_default));
    options.set(spec.name, std::move(value));
  }
  return options;
}

}  // namespace millrace::sql
