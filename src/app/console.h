// Console: standard output, standard error and the terminal behind them. Only app/ writes there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::app {

/// Writes bytes to standard output at once. Fails when the reader is gone (a closed pipe) or the disk is full.
Status write_output(std::string_view text);
/// Writes a line to standard error.
void write_message(std::string_view line);
/// Writes `who`, ": " and the error as `render` shows it to standard error; `text` is what its position points into.
void write_error(std::string_view who, const Error& error, std::string_view text = {});
/// Writes the error as "millrace". Returns kExitFailed.
int report_failure(const Error& error, std::string_view text = {});
/// The same for what is wrong with the command line. Returns kExitUsage.
int report_usage(std::string_view reason, std::string_view hint = {});

/// Replaces the last line of standard error by `line`, cut to the terminal so that the next call replaces all of it.
/// Any thread; what write_message writes takes the line's place.
void rewrite_message(std::string_view line);

bool output_is_terminal();
/// Whether standard error is a terminal on which rewrite_message works.
bool messages_can_be_rewritten();
bool input_is_terminal();
/// Columns of the terminal that standard output is; `otherwise` when it is none.
size_t terminal_width(size_t otherwise);

/// Reads up to `length` bytes of standard input; 0 at its end.
Result<size_t> read_input(char* buffer, size_t length);
/// The first line of standard input, without its end. A terminal is asked with `prompt` and does not show the answer.
Result<std::string> read_secret_line(std::string_view prompt);

}  // namespace millrace::app
