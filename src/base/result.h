// Result<T>: a value, or an Error that says what failed, whose fault it is, and whether trying again can help.
//
// The shape follows std::expected (C++23), which clang 14 with libstdc++ 12 does not offer. Everything the outside
// world can cause comes back as a Result; what only a bug of ours can cause is a MR_CHECK, which is on in release too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace millrace {

/// Who has to act on an error.
enum class Fault : uint8_t {
  kUser,      ///< the request, its SQL or its data is wrong
  kExternal,  ///< a disk, a network or a peer failed
  kInternal,  ///< a limit or a defect of this program
};

/// Whether the same call can succeed later.
enum class Retry : uint8_t { kNever, kBackoff, kNow };

/// A place in a text that the user wrote: bytes from its start, and how many bytes to underline.
struct SourceSpan {
  uint64_t offset = 0;
  uint64_t length = 1;
};

/// What went wrong. `message` has its fixed text first and its value last; `hint` says what to do next.
struct Error {
  Fault fault = Fault::kInternal;
  Retry retry = Retry::kNever;
  std::string code;  ///< SQLSTATE, five characters (PostgreSQL's appendix A), e.g. "42P01"
  std::string message;
  std::string hint;
  std::optional<SourceSpan> position;

  Error with_hint(std::string text) &&;
  Error at(SourceSpan span) &&;
  /// Puts "what: " before the message, for callers that know more than the callee.
  Error within(std::string_view what) &&;
};

/// SQLSTATEs in use. One list, so that the documentation can name them all.
namespace sqlstate {
inline constexpr const char* kSyntaxError = "42601";
inline constexpr const char* kUndefinedTable = "42P01";
inline constexpr const char* kUndefinedColumn = "42703";
inline constexpr const char* kDuplicateTable = "42P07";
inline constexpr const char* kWrongObjectType = "42809";
inline constexpr const char* kInvalidParameter = "22023";
inline constexpr const char* kInvalidText = "22P02";
inline constexpr const char* kNotSupported = "0A000";
inline constexpr const char* kDependentObjects = "2BP01";
inline constexpr const char* kUndefinedFile = "58P01";
inline constexpr const char* kIoError = "58030";
inline constexpr const char* kDiskFull = "53100";
inline constexpr const char* kTooLarge = "54000";
inline constexpr const char* kObjectInUse = "55006";
inline constexpr const char* kReadOnly = "25006";
inline constexpr const char* kDataCorrupted = "XX001";
inline constexpr const char* kInternal = "XX000";
inline constexpr const char* kUnavailable = "57P03";
inline constexpr const char* kCancelled = "57014";
}  // namespace sqlstate

Error user_error(std::string code, std::string message);
Error external_error(std::string code, std::string message, Retry retry = Retry::kNever);
Error internal_error(std::string message);
/// An external error from errno, e.g. `open data/LOCK: Permission denied`. ENOSPC becomes kDiskFull.
Error errno_error(std::string_view what, int errno_value);

/// The error as a terminal shows it: message, then the line of `text` with a caret when it has a position, then the
/// hint.
std::string render(const Error& error, std::string_view text = {});

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

[[noreturn]] void check_failed(const char* expression, const char* file, int line, std::string_view message);

}  // namespace millrace

/// Aborts with the place and message: a wrong answer is worse than a restart.
#define MR_CHECK(condition, message)                                       \
  do {                                                                     \
    if (!(condition)) [[unlikely]]                                         \
      ::millrace::check_failed(#condition, __FILE__, __LINE__, (message)); \
  } while (false)

#define MR_CONCAT_INNER(a, b) a##b
#define MR_CONCAT(a, b) MR_CONCAT_INNER(a, b)

/// Returns the error of a Status-valued expression, if it has one.
#define MR_TRY(expression)                                           \
  do {                                                               \
    if (auto mr_status = (expression); !mr_status.ok()) [[unlikely]] \
      return std::move(mr_status).error();                           \
  } while (false)

/// `MR_ASSIGN(auto x, f());` binds the value of a Result or returns its error.
#define MR_ASSIGN(target, expression) MR_ASSIGN_INNER(MR_CONCAT(mr_result_, __LINE__), target, expression)
#define MR_ASSIGN_INNER(name, target, expression) \
  auto name = (expression);                       \
  if (!name.ok()) [[unlikely]]                    \
    return std::move(name).error();               \
  target = std::move(name).value()
