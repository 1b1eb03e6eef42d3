#include "followed_view.h"

namespace millrace::test {
namespace {

constexpr int kTriesMax = 50;
constexpr Duration kWait = Duration::from_millis(100);

}  // namespace

std::optional<std::string> FollowedView::subscribe(engine::Node& node) {
  const bool resumes = retained_ && !position_.empty();
  if (resumes) {
    ++resumed_;
  } else {
    folded_.clear();
  }
  const std::string text = "SUBSCRIBE TO " + name_ + " FROM " + (resumes ? "'" + position_ + "'" : "BEGINNING");
  auto request = node.subscription_target(text);
  if (!request.ok()) return render(request.error(), text);
  auto made = node.subscribe(**request);
  if (!made.ok()) return render(made.error(), text);
  subscription_ = std::move(made).value();
  return std::nullopt;
}

std::optional<std::string> FollowedView::read_some(Duration timeout, bool& more) {
  auto batch = subscription_->next(timeout);
  if (!batch.ok()) return render(batch.error());
  more = !batch->empty();
  const int position = subscription_->schema().find("_position");
  const auto op = static_cast<uint32_t>(subscription_->schema().find("_op"));
  std::vector<uint32_t> visible;
  for (uint32_t column = 0; column < op; ++column) visible.push_back(column);
  for (uint32_t row = 0; row < batch->rows(); ++row) {
    const bool removes = batch->value_text(op, row)[0] == '-';
    Bag one;
    add_rows(one, batch->select(std::span(&row, 1)).project(visible));
    const std::string& text = one.begin()->first;
    const int64_t count = folded_[text] += removes ? -1 : 1;
    if (count < 0) return "a delete without its insert: " + text;
    if (count == 0) folded_.erase(text);
    deletes_ += removes;
    if (position >= 0) position_ = batch->value_text(static_cast<size_t>(position), row);
  }
  return std::nullopt;
}

std::string FollowedView::read_until(engine::Node& node, const Bag& rows) {
  if (!subscription_) {
    if (auto failure = subscribe(node)) return *failure;
  }
  for (int tries = 0; tries < kTriesMax; ++tries) {
    for (bool more = true; more;) {
      if (auto failure = read_some(tries == 0 ? Duration{} : kWait, more)) return *failure;
    }
    if (folded_ == rows) return {};
  }
  return difference(folded_, "the fold of its changes", rows, "the view");
}

}  // namespace millrace::test
