// running_jobs.hpp: the simulator's running jobs and their teams. Finds the job that ends first and the job to help.
//
//     by size of the team   1: { (end, owner), (end, owner), ... }        the first of each size may be the
//                           2: { (end, owner), ... }                      job that ends first; the last
//                           5: { (end, owner) }                           of each size in open_ may be the
//                                                                         job with the greatest need of help
//
// A job starts with a number of seconds left. A team of s threads (s is at most the job's `most`) reduces this number
// by 1 + (s - 1) * efficiency per second. The end of a job changes only when a thread joins or leaves it, so nothing is
// recomputed as time passes. Among teams of one size, the team that ends last always has the most seconds left.
//
// Order:       jobs end by (end, owner), lowest first. The job with the greatest need has the most seconds left per
//              member; among equals, it is the job whose owner has the highest number.
// Invariants:  (1) a thread owns one job, helps with one job, or does neither;
//              (2) a running job is in all_ once, under the number of its members and its current end. While it accepts
//                  more members, it is in open_ in the same way.
// Threads:     none. Cost: O(log p + sqrt p) per change, since p threads form teams of at most sqrt(2 p) different
//              sizes.

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace ash {

// A set of thread numbers. The lowest number is found quickly if mostly low numbers are added and removed.
class ThreadSet {
  public:
    explicit ThreadSet(int threads) : words_((static_cast<std::size_t>(threads) + 63) / 64) {}

    bool empty() const { return size_ == 0; }

    // REQUIRES: the thread is not in the set.
    void insert(int thread) {
        const std::size_t word = static_cast<std::size_t>(thread) / 64;
        words_[word] |= bit(thread);
        first_ = std::min(first_, word);
        ++size_;
    }

    // REQUIRES: the thread is in the set.
    void erase(int thread) {
        words_[static_cast<std::size_t>(thread) / 64] &= ~bit(thread);
        --size_;
    }

    // REQUIRES: the set is not empty.
    int take_lowest() {
        while (words_[first_] == 0) ++first_;
        const int thread = static_cast<int>(first_ * 64) + std::countr_zero(words_[first_]);
        erase(thread);
        return thread;
    }

  private:
    static std::uint64_t bit(int thread) { return std::uint64_t{1} << (static_cast<unsigned>(thread) % 64); }

    std::vector<std::uint64_t> words_;
    std::size_t first_ = 0;  // index of a word before which all words are zero
    std::size_t size_ = 0;
};

// Teams sorted by (end, owner), separately for each number of members.
class TeamsBySize {
  public:
    using Key = std::pair<double, int>;  // end, owner

    explicit TeamsBySize(int threads) : teams_(static_cast<std::size_t>(threads) + 1) {}

    bool empty() const { return sizes_.empty(); }
    std::span<const int> sizes() const { return sizes_; }  // sizes of existing teams, in any order
    const std::set<Key>& of_size(int members) const { return teams_[static_cast<std::size_t>(members)]; }

    void insert(int members, const Key& team) {
        std::set<Key>& teams = teams_[static_cast<std::size_t>(members)];
        if (teams.empty()) sizes_.push_back(members);
        teams.insert(team);
    }

    // REQUIRES: the team is in this object.
    void erase(int members, const Key& team) {
        std::set<Key>& teams = teams_[static_cast<std::size_t>(members)];
        teams.erase(team);
        if (!teams.empty()) return;
        *std::ranges::find(sizes_, members) = sizes_.back();
        sizes_.pop_back();
    }

  private:
    std::vector<std::set<Key>> teams_;  // indexed by number of members
    std::vector<int> sizes_;            // sizes whose entry in teams_ is not empty
};

class RunningJobs {
  public:
    RunningJobs(int threads, double efficiency)
        : jobs_(static_cast<std::size_t>(threads)),
          memberships_(static_cast<std::size_t>(threads)),
          all_(threads),
          open_(threads),
          efficiency_(efficiency) {}

    // The job owned by a thread, and the helpers with which the thread shares the job.
    struct Shared {
        double end = 0.0;    // time at which the job ends if no thread joins or leaves
        double since = 0.0;  // time at which a thread last joined or left
        int most = 1;        // maximum number of members
        int team = 0;        // largest number of members so far
        std::vector<int> helpers;
    };

    bool empty() const { return all_.empty(); }
    const Shared& job(int owner) const { return jobs_[static_cast<std::size_t>(owner)]; }

    void start(int owner, double now, double seconds, int most) {
        Shared& own = at(owner);
        own.end = now + seconds;
        own.since = now;
        own.most = most;
        own.team = 1;
        own.helpers.clear();
        list(owner);
    }

    // Ends the job that ends first and returns its owner. The job's helpers can be read until its owner starts another
    // job. REQUIRES: there is a job.
    int end_first() {
        TeamsBySize::Key first = *all_.of_size(all_.sizes().front()).begin();
        for (const int members : all_.sizes()) first = std::min(first, *all_.of_size(members).begin());
        const auto [end, owner] = first;
        busy_ += size(owner) * (end - job(owner).since);
        unlist(owner);
        return owner;
    }

    // Returns the owner of the job with the most seconds left per member, among the jobs that accept one more member.
    // Returns nullopt if there is none.
    std::optional<int> neediest(double now) const {
        TeamsBySize::Key most{-1.0, -1};
        for (const int members : open_.sizes()) {
            const auto& [end, owner] = *open_.of_size(members).rbegin();
            most = std::max(most, {(end - now) * (rate(members) / members), owner});
        }
        return open_.empty() ? std::nullopt : std::optional(most.second);
    }

    // REQUIRES: the job accepts one more member.
    void join(int thread, int owner, double now) {
        change(owner, now, [&](Shared& own) {
            memberships_[static_cast<std::size_t>(thread)] = {owner, own.helpers.size()};
            own.helpers.push_back(thread);
            own.team = std::max(own.team, size(owner));
        });
    }

    // REQUIRES: the thread is helping.
    void leave(int thread, double now) {
        const Membership where = memberships_[static_cast<std::size_t>(thread)];
        change(where.owner, now, [&](Shared& own) {
            own.helpers[where.index] = own.helpers.back();
            memberships_[static_cast<std::size_t>(own.helpers.back())].index = where.index;
            own.helpers.pop_back();
        });
    }

    // Returns the total seconds, until now, that threads spent in teams, including teams of one thread.
    double busy(double now) const {
        double sum = busy_;
        for (const int members : all_.sizes()) {
            for (const auto& [end, owner] : all_.of_size(members)) sum += members * (now - job(owner).since);
        }
        return sum;
    }

  private:
    struct Membership {
        int owner = 0;
        std::size_t index = 0;
    };

    double rate(int members) const { return 1.0 + (members - 1) * efficiency_; }
    int size(int owner) const { return 1 + static_cast<int>(job(owner).helpers.size()); }
    Shared& at(int owner) { return jobs_[static_cast<std::size_t>(owner)]; }

    template <typename Edit>
    void change(int owner, double now, Edit edit) {
        Shared& own = at(owner);
        const double left = (own.end - now) * rate(size(owner));
        busy_ += size(owner) * (now - own.since);
        unlist(owner);
        edit(own);
        own.since = now;
        own.end = now + left / rate(size(owner));
        list(owner);
    }

    void list(int owner) {
        all_.insert(size(owner), {job(owner).end, owner});
        if (size(owner) < job(owner).most) open_.insert(size(owner), {job(owner).end, owner});
    }

    void unlist(int owner) {
        all_.erase(size(owner), {job(owner).end, owner});
        if (size(owner) < job(owner).most) open_.erase(size(owner), {job(owner).end, owner});
    }

    std::vector<Shared> jobs_;             // [thread]: the job that the thread owns
    std::vector<Membership> memberships_;  // [thread]: the job that the thread helps with, if any
    TeamsBySize all_;
    TeamsBySize open_;
    double efficiency_;
    double busy_ = 0.0;  // seconds of threads in teams; for a running job, up to its last change
};

}  // namespace ash
