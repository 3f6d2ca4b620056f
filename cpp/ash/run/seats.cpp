#include "ash/run/seats.hpp"

#include <algorithm>
#include <cstddef>

namespace ash {

namespace {

constexpr double kMostThreads = 65536;  // maximum size of a team; no machine has more threads
constexpr double kLeastShare = 0.75e6;  // minimum multiply-adds of a step per team member (bench/kernels/teams.py)

}  // namespace

Seats::Seats(int threads, int cores, bool teams, const std::atomic<std::uint32_t>& bell)
    : cores_(cores), allowed_(teams), seats_(static_cast<std::size_t>(threads)) {
    for (int thread = 0; thread < threads; ++thread) teams_.push_back(std::make_unique<Team>(bell));
}

void Seats::sit(int thread, const Task& task, double cost, double step_cost, void (*ring)(void*), void* ringer) {
    Seat& own = seat(thread);
    own.task = task;
    own.cost = cost;
    own.team_limit = static_cast<int>(std::clamp(step_cost / kLeastShare, 1.0, kMostThreads));
    ++busy_;
    const int most = allowed_ ? std::min(own.team_limit, static_cast<int>(seats_.size())) : 1;
    team(thread).open(most - 1, ring, ringer);
}

void Seats::rise(int thread) {
    Seat& own = seat(thread);
    if (!own.task) return;
    own.task.reset();
    --busy_;
}

std::optional<Invited> Seats::invite(std::uint32_t bell) {
    if (busy_ + helping_ >= cores_) return std::nullopt;
    std::optional<Invited> best;
    double most = 0.0;
    for (std::size_t owner = 0; owner < seats_.size(); ++owner) {
        const Seat& other = seats_[owner];
        const Team& team = *teams_[owner];
        if (!other.task || !team.is_open() || other.helpers >= team.most_members()) continue;
        const double left = team.left() * other.cost / (1 + other.helpers);
        if (best && left <= most) continue;
        most = left;
        best = Invited{static_cast<int>(owner), other.task->job, team.invitation(bell)};
    }
    if (best) {
        ++helping_;
        ++seat(best->owner).helpers;
    }
    return best;
}

void Seats::helped(int owner) {
    --seat(owner).helpers;
    --helping_;
}

void Seats::wake() noexcept {
    for (const std::unique_ptr<Team>& team : teams_) team->wake();
}

}  // namespace ash
