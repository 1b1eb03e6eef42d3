#include "app/user_command.h"

#include "app/command_line.h"
#include "app/console.h"
#include "base/secret_bytes.h"
#include "server/users.h"

namespace millrace::app {
namespace {

constexpr size_t kPasswordBytesMin = 8;
constexpr size_t kSaltBytes = 16;

void add_right(std::string& line, std::string_view right, const std::string& patterns) {
  if (!patterns.empty()) line += " " + std::string(right) + "=" + patterns;
}

}  // namespace

int run_user(Env&, const UserFlags& flags) {
  auto password = read_secret_line("password: ");
  if (!password.ok()) return report_failure(password.error());
  if (password->size() < kPasswordBytesMin) return report_usage("a password has at least 8 characters");
  std::string line = flags.name;
  for (server::ScramHash hash : {server::ScramHash::kSha256, server::ScramHash::kSha512}) {
    line += " " + server::render(server::make_verifier(hash, *password, secret_bytes(kSaltBytes)));
  }
  add_right(line, "read", flags.read);
  add_right(line, "write", flags.write);
  add_right(line, "admin", flags.admin);
  add_right(line, "produce_rate", flags.produce_rate);
  add_right(line, "fetch_rate", flags.fetch_rate);
  auto read_back = server::Users::parse(line);
  if (!read_back.ok()) return report_usage(read_back.error().message, read_back.error().hint);
  Status printed = write_output(line + "\n");
  return printed.ok() ? kExitDone : report_failure(printed.error());
}

}  // namespace millrace::app
