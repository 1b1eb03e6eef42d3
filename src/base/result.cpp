#include "base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "base/display.h"

namespace millrace {

Error Error::with_hint(std::string text) && {
  hint = std::move(text);
  return std::move(*this);
}

Error Error::at(SourceSpan span) && {
  position = span;
  return std::move(*this);
}

Error Error::within(std::string_view what) && {
  std::string longer;
  longer.reserve(what.size() + 2 + message.size());
  longer.append(what).append(": ").append(message);
  message = std::move(longer);
  return std::move(*this);
}

namespace {

Error make_error(Fault fault, Retry retry, std::string code, std::string message) {
  Error error;
  error.fault = fault;
  error.retry = retry;
  error.code = std::move(code);
  error.message = std::move(message);
  return error;
}

struct ErrnoMeaning {
  const char* code;
  Retry retry;
  const char* hint;
};

ErrnoMeaning meaning_of(int errno_value) {
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT: return {sqlstate::kDiskFull, Retry::kBackoff, "Free some space on that disk."};
    case ENOENT:
    case ENOTDIR: return {sqlstate::kUndefinedFile, Retry::kNever, "Check that the path exists."};
    case EACCES:
    case EPERM: return {sqlstate::kIoError, Retry::kNever, "Check the permissions of that path for this user."};
    case EROFS: return {sqlstate::kReadOnly, Retry::kNever, "That file system is mounted read-only."};
    case EMFILE:
    case ENFILE: return {sqlstate::kIoError, Retry::kBackoff, "Raise the limit of open files (ulimit -n)."};
    case EADDRINUSE:
      return {sqlstate::kObjectInUse, Retry::kNever, "Choose another port, or stop the program that holds this one."};
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH: return {sqlstate::kUnavailable, Retry::kBackoff, ""};
    case EAGAIN:
    case EINTR: return {sqlstate::kIoError, Retry::kNow, ""};
    default: return {sqlstate::kIoError, Retry::kNever, ""};
  }
}

}  // namespace

Error user_error(std::string code, std::string message) {
  return make_error(Fault::kUser, Retry::kNever, std::move(code), std::move(message));
}

Error external_error(std::string code, std::string message, Retry retry) {
  return make_error(Fault::kExternal, retry, std::move(code), std::move(message));
}

Error internal_error(std::string message) {
  return make_error(Fault::kInternal, Retry::kNever, sqlstate::kInternal, std::move(message));
}

Error errno_error(std::string_view what, int errno_value) {
  const ErrnoMeaning meaning = meaning_of(errno_value);
  std::string message(what);
  message.append(": ").append(std::generic_category().message(errno_value));
  Error error = make_error(Fault::kExternal, meaning.retry, meaning.code, std::move(message));
  error.hint = meaning.hint;
  return error;
}

std::string render(const Error& error, std::string_view text) { return render(error, text, kExcerptColumns); }

void check_failed(const char* expression, const char* file, int line, std::string_view message) {
  std::fprintf(stderr, "%s:%d: check failed: %s: %.*s\n", file, line, expression, static_cast<int>(message.size()),
               message.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace millrace
