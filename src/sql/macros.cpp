#include "sql/macros.h"

#include "base/text.h"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/common/exception.hpp"
#include "duckdb/function/scalar_macro_function.hpp"
#include "duckdb/function/table_macro_function.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/database_manager.hpp"
#include "duckdb/parser/expression/function_expression.hpp"
#include "duckdb/parser/expression/subquery_expression.hpp"
#include "duckdb/parser/parsed_data/create_macro_info.hpp"
#include "duckdb/parser/parsed_expression_iterator.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/query_node.hpp"
#include "duckdb/parser/statement/create_statement.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/table_function_ref.hpp"
#include "duckdb/transaction/meta_transaction.hpp"
#include "sql/bind_failure.h"
#include "sql/lexer.h"
#include "sql/relation_function.h"
#include "sql/time_windows.h"

namespace millrace::sql {
namespace {

constexpr std::string_view kBefore = "CREATE OR REPLACE MACRO ";

bool is_system_function(duckdb::ClientContext& context, duckdb::CatalogType type, const std::string& name) {
  auto entry = duckdb::Catalog::GetSystemCatalog(context).GetEntry(context, type, DEFAULT_SCHEMA, name,
                                                                   duckdb::OnEntryNotFound::RETURN_NULL);
  return entry != nullptr;
}

/// Walks a macro's body: refuses functions that read files, makes windows of time bindable, and forgets places in the
/// text, which would be taken for places in the query that uses the macro.
class Body {
 public:
  explicit Body(duckdb::ClientContext& context) : context_(context) {}

  void visit(duckdb::MacroFunction& macro) {
    for (auto& [name, value] : macro.default_parameters) visit(value);
    if (macro.type == duckdb::MacroType::SCALAR_MACRO) {
      visit(macro.Cast<duckdb::ScalarMacroFunction>().expression);
    } else {
      visit(*macro.Cast<duckdb::TableMacroFunction>().query_node);
    }
  }

 private:
  void visit(duckdb::QueryNode& node) {
    rewrite_for_binder(context_, node);
    duckdb::ParsedExpressionIterator::EnumerateQueryNodeChildren(
        node, [this](duckdb::unique_ptr<duckdb::ParsedExpression>& child) { visit(child); },
        [this](duckdb::TableRef& ref) { visit(ref); });
  }
  void visit(duckdb::unique_ptr<duckdb::ParsedExpression>& expression) {
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
      visit(*expression->Cast<duckdb::SubqueryExpression>().subquery->node);
    }
    expression->SetQueryLocation(duckdb::optional_idx());
    duckdb::ParsedExpressionIterator::EnumerateChildren(
        *expression, [this](duckdb::unique_ptr<duckdb::ParsedExpression>& child) { visit(child); });
  }
  void visit(duckdb::TableRef& ref) {
    const duckdb::optional_idx place = ref.query_location;
    ref.query_location = duckdb::optional_idx();
    if (ref.type != duckdb::TableReferenceType::TABLE_FUNCTION) return;
    const std::string& name =
        ref.Cast<duckdb::TableFunctionRef>().function->Cast<duckdb::FunctionExpression>().function_name;
    const bool known = is_system_function(context_, duckdb::CatalogType::TABLE_FUNCTION_ENTRY, name);
    if (!known || is_time_window(name) || may_be_read(name)) return;
    Error error = user_error("42501", "the table function " + name + " is not allowed here")
                      .with_hint("macros read streams, tables and views");
    if (place.IsValid()) error.position = SourceSpan{place.GetIndex(), name.size()};
    throw BindFailure(std::move(error));
  }

  duckdb::ClientContext& context_;
};

duckdb::unique_ptr<duckdb::CreateStatement> parse_macro(duckdb::ClientContext& context, std::string_view query) {
  duckdb::Parser parser;
  parser.ParseQuery(std::string(query));
  const bool one =
      parser.statements.size() == 1 && parser.statements[0]->type == duckdb::StatementType::CREATE_STATEMENT;
  if (!one) throw BindFailure(user_error(sqlstate::kSyntaxError, "a macro is one expression or one query"));
  auto create = duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::CreateStatement>(std::move(parser.statements[0]));
  const duckdb::CatalogType type = create->info->type;
  if (type != duckdb::CatalogType::MACRO_ENTRY && type != duckdb::CatalogType::TABLE_MACRO_ENTRY) {
    throw BindFailure(user_error(sqlstate::kSyntaxError, "a macro is one expression or one query"));
  }
  Body body(context);
  for (auto& macro : create->info->Cast<duckdb::CreateMacroInfo>().macros) body.visit(*macro);
  return create;
}

}  // namespace

Status check_macro(batch::Session& session, const CreateMacro& create) {
  duckdb::ClientContext& context = session.context();
  try {
    context.RunFunctionInTransaction([&] {
      using duckdb::CatalogType;
      const std::string name = to_lower_ascii(create.name.text);
      for (CatalogType type : {CatalogType::SCALAR_FUNCTION_ENTRY, CatalogType::TABLE_FUNCTION_ENTRY}) {
        if (!is_system_function(context, type, name)) continue;
        throw BindFailure(user_error(sqlstate::kDuplicateTable, "there is a function of this name: " + name)
                              .with_hint("choose another name for the macro")
                              .at(SourceSpan{kBefore.size(), create.name.span.length}));
      }
      (void)parse_macro(context, std::string(kBefore) + create.definition.text);
    });
    return {};
  } catch (const std::exception& exception) {
    Error error = to_error(exception, {}, 0);
    if (!error.position || error.position->offset < kBefore.size()) return std::move(error).at(create.name.span);
    error.position->offset += create.definition.span.offset - kBefore.size();
    return error;
  }
}

Status define_macro(batch::Session& session, std::string_view query) {
  duckdb::ClientContext& context = session.context();
  try {
    // Not as a statement: that would bind a table macro now, and what it reads may come later.
    context.RunFunctionInTransaction([&] {
      auto create = parse_macro(context, query);
      duckdb::Catalog& catalog =
          duckdb::Catalog::GetCatalog(context, duckdb::DatabaseManager::GetDefaultDatabase(context));
      duckdb::MetaTransaction::Get(context).ModifyDatabase(catalog.GetAttached());
      auto& info = create->info->Cast<duckdb::CreateMacroInfo>();
      info.schema = DEFAULT_SCHEMA;
      catalog.CreateFunction(context, info);
    });
    return {};
  } catch (const std::exception& exception) {
    return to_error(exception, {}, 0);
  }
}

Status drop_macro(batch::Session& session, std::string_view name) {
  for (const char* kind : {"MACRO", "MACRO TABLE"}) {
    auto answer = session.connection().Query("DROP " + std::string(kind) + " IF EXISTS " + quote_identifier(name));
    if (answer->HasError()) return internal_error("DuckDB refused to drop a macro: " + answer->GetError());
  }
  return {};
}

bool calls_macro(std::string_view text, std::string_view name) {
  Result<std::vector<Token>> tokens = tokenize(text);
  if (!tokens.ok()) return false;
  for (size_t i = 0; i + 1 < tokens->size(); ++i) {
    const Token& token = (*tokens)[i];
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuotedWord) continue;
    if ((*tokens)[i + 1].kind != TokenKind::kLeftParenthesis) continue;
    if (iequals(token_value(text, token), name)) return true;
  }
  return false;
}

}  // namespace millrace::sql
