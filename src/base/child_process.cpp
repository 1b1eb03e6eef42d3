#include "base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

extern char** environ;

namespace millrace {
namespace {

constexpr size_t kReadBytes = 4096;

struct Pipe {
  int read_end = -1;
  int write_end = -1;

  ~Pipe() {
    if (read_end >= 0) ::close(read_end);
    if (write_end >= 0) ::close(write_end);
  }
  Status open() {
    int ends[2];
    // The child must not inherit the ends that are ours: it would hold its own input open.
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("opening a pipe", errno);
    read_end = ends[0];
    write_end = ends[1];
    return {};
  }
};

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const std::string& program,
                                                          const std::vector<std::string>& arguments) {
  Pipe input;
  Pipe output;
  MR_TRY(input.open());
  MR_TRY(output.open());
  std::vector<char*> words{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.read_end, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.write_end, STDOUT_FILENO);
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return errno_error("starting " + program, failed);
  return std::unique_ptr<ChildProcess>(
      new ChildProcess(pid, std::exchange(input.write_end, -1), std::exchange(output.read_end, -1)));
}

ChildProcess::~ChildProcess() {
  (void)kill();
  ::close(input_);
  ::close(output_);
}

Result<std::optional<std::string>> ChildProcess::read_line(Duration timeout) {
  using std::chrono::microseconds;
  using std::chrono::steady_clock;
  const auto limit = steady_clock::now() + microseconds(timeout.micros);
  while (true) {
    if (const size_t end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return std::optional(std::move(line));
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - steady_clock::now()).count();
    pollfd wait{output_, POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready < 0 && errno != EINTR) return errno_error("waiting for a child process", errno);
    if (ready == 0 && steady_clock::now() >= limit) {
      return external_error(sqlstate::kUnavailable, "a child process said nothing in time");
    }
    if (ready <= 0) continue;
    char bytes[kReadBytes];
    const ssize_t count = ::read(output_, bytes, sizeof bytes);
    if (count < 0 && errno != EINTR) return errno_error("reading from a child process", errno);
    if (count > 0) unread_.append(bytes, static_cast<size_t>(count));
    if (count != 0) continue;
    if (unread_.empty()) return std::optional<std::string>();
    return std::optional(std::exchange(unread_, {}));
  }
}

Status ChildProcess::kill() {
  if (pid_ == 0) return {};
  if (::kill(pid_, SIGKILL) != 0) return errno_error("killing a child process", errno);
  while (::waitpid(pid_, nullptr, 0) < 0) {
    if (errno != EINTR) return errno_error("waiting for the end of a child process", errno);
  }
  pid_ = 0;
  return {};
}

}  // namespace millrace
