// The shell cuts what is typed into statements and sends each when it is whole.
#include "app/shell.h"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

/// Keeps what it is asked; an `error` in the text fails.
class Recorder : public Executor {
 public:
  Status check() override { return {}; }
  Result<Answer> execute(std::string_view sql, const Remote::OnLine&) override {
    asked.emplace_back(sql);
    if (sql.find("error") != std::string_view::npos) return user_error(sqlstate::kSyntaxError, "no");
    return Answer();
  }
  void interrupt() override {}
  std::string where() const override { return "here"; }
  std::vector<std::string> asked;
};

TEST(Shell, CutsStatements) {
  EXPECT_EQ(split_statements("SELECT 1; SELECT 'a;b' ;\n-- c;\nSELECT $$;$$"),
            (std::vector<std::string_view>{"SELECT 1;", "SELECT 'a;b' ;", "-- c;\nSELECT $$;$$"}));
  EXPECT_EQ(split_statements(" ; ;\n-- nothing\n"), std::vector<std::string_view>());
  EXPECT_EQ(split_statements("SELECT 'open; x"), std::vector<std::string_view>{"SELECT 'open; x"});
}

TEST(Shell, AStatementMayTakeManyLines) {
  Recorder recorder;
  Shell shell(recorder, Format::kTable);
  EXPECT_TRUE(shell.take_line("SELECT ';'"));
  EXPECT_TRUE(shell.inside_statement());
  EXPECT_TRUE(shell.take_line(""));
  EXPECT_TRUE(shell.take_line("  AS a; SELECT 2;"));
  EXPECT_FALSE(shell.inside_statement());
  EXPECT_EQ(recorder.asked, (std::vector<std::string>{"SELECT ';'\n\n  AS a;", "SELECT 2;"}));
  EXPECT_FALSE(shell.failed());
}

TEST(Shell, Backslashes) {
  Recorder recorder;
  Shell shell(recorder, Format::kTable);
  EXPECT_TRUE(shell.take_line("\\d"));
  EXPECT_TRUE(shell.take_line("\\d revenue;"));
  EXPECT_TRUE(shell.take_line("\\nonsense"));
  EXPECT_EQ(recorder.asked, (std::vector<std::string>{"SHOW ALL", "DESCRIBE revenue"}));
  EXPECT_TRUE(shell.take_line("SELECT error;"));
  EXPECT_TRUE(shell.failed());
  EXPECT_FALSE(shell.take_line("\\q"));
}

}  // namespace
}  // namespace millrace::app
