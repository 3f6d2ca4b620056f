#include "ash/run/mailbox.hpp"

namespace ash {

std::optional<Answer> Mailbox::send(const Job& job, States states, const std::atomic<bool>& stop) {
    std::unique_lock lock(mutex_);
    if (closed_ || stop) return {};
    const std::int64_t number = next_++;
    mail_.letters.push_back({number, job, std::move(states)});
    Waiting& own = waiting_[number];
    own.stop = &stop;
    news_.notify_one();
    own.answered.wait(lock, [&] { return own.answer || closed_; });
    std::optional<Answer> answer = std::move(own.answer);
    waiting_.erase(number);
    return answer;
}

void Mailbox::note(Note::Kind kind, std::int32_t candidate) {
    const std::lock_guard lock(mutex_);
    mail_.notes.push_back({kind, candidate});
}

Mail Mailbox::take(double seconds) {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, std::chrono::duration<double>(seconds),
                   [&] { return woken_ || closed_ || !mail_.letters.empty(); });
    woken_ = false;
    if (!waiting_.empty() && *waiting_.begin()->second.stop) close_locked();
    return std::exchange(mail_, {});
}

void Mailbox::wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    news_.notify_one();
}

bool Mailbox::answer(std::int64_t number, Answer answer) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(number);
    if (found == waiting_.end() || found->second.answer) return false;
    found->second.answer = std::move(answer);
    found->second.answered.notify_one();
    return true;
}

void Mailbox::close() {
    const std::lock_guard lock(mutex_);
    close_locked();
}

void Mailbox::close_locked() {
    closed_ = true;
    for (auto& [number, each] : waiting_) each.answered.notify_one();
    news_.notify_one();
}

}  // namespace ash
