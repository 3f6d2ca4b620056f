// remote.hpp: jobs that are done elsewhere: in other processes, on other machines.
//
//     threads of the tuner, a place each            Mailbox                       the carrier, one thread of the host
//       train(job): send, and sleep  ------> [ letters: job, states ] -- take() ------> hands it to a worker
//                   wake, and return <------ [ answers by number    ] <- answer() ----- when that is done
//       in the critical section: note() ---> [ notes                ] -- take() ------> keeps or drops what lies there
//
// To the tuner a job is a job: ladder, clock, records and who is kept know nothing of where it was done, so the outcome
// is the same by construction. The threads of the tuner only wait here, so there may be many more than cores.
//
// States:      an answer may bring what the job has left; it is kept here from then on (store.hpp), and goes out with
//              the next job of its candidate. Or it stays with whoever did the job: then the notes say which is wanted
//              in the end (kept) and which no more (dropped); a carrier that has lost one trains it again.
// Order:       notes and letters are taken in the order in which they were written, the notes first.
// Invariants:  (1) a letter is answered once: later answers of the same number are of no account;
//              (2) after close() nobody sleeps here: a job that is not answered counts as stopped;
//              (3) the mutex is held for a few moves of memory, and never while anybody waits for something else.
// Threads:     send() and note(): any thread of the tuner, note() in its critical section; all others: any thread.
// Cost:        two wake-ups a job.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ash/run/candidates.hpp"
#include "ash/run/folds.hpp"

namespace ash {

// A job on its way.
struct Letter {
    std::int64_t number;
    Job job;
    States states;  // [folds] to go on from; none: from what whoever did the last job has, or else from scratch
};

// What has come of one.
struct Answer {
    Result result;
    std::vector<double> fold_scores = {};  // none: it has diverged
    std::vector<State> states = {};        // [folds] after it, without layouts; none: they have stayed where they are
};

struct Note {
    enum class Kind : std::uint8_t { kept, dropped };
    Kind kind;
    std::int32_t candidate;
};

struct Mail {
    std::vector<Note> notes;
    std::vector<Letter> letters;
};

class Mailbox {
  public:
    // places: how many jobs may be on their way. REQUIRES: at least 1.
    explicit Mailbox(int places) : places_(places) {}

    int places() const { return places_; }

    // Waits for the answer; none when it is closed before.
    std::optional<Answer> send(const Job& job, States states, const std::atomic<bool>& stop);
    void note(Note::Kind kind, std::int32_t candidate);

    // What is new, as soon as there is something, or wake() was called, or after so many seconds. Closes once the tuner is
    // to stop.
    Mail take(double seconds);
    void wake();

    // False: nobody waits for it any more.
    bool answer(std::int64_t number, Answer answer);
    void close();

  private:
    struct Waiting {
        std::condition_variable answered;
        std::optional<Answer> answer;
    };

    void close_locked();

    const int places_;
    std::mutex mutex_;  // guards all below
    std::condition_variable news_;
    Mail mail_;
    std::map<std::int64_t, Waiting> waiting_;  // by number
    std::int64_t next_ = 0;
    bool woken_ = false;
    bool closed_ = false;
    const std::atomic<bool>* stop_ = nullptr;  // of the tuner, which outlives its jobs
};

// Candidates whose jobs are done elsewhere: what a job does goes through the mailbox, all else is as it is here.
class RemoteCandidates final : public Candidates {
  public:
    RemoteCandidates(std::unique_ptr<FoldedCandidates> here, std::shared_ptr<Mailbox> mailbox)
        : here_(std::move(here)), mailbox_(std::move(mailbox)) {}

    std::int64_t count() const override { return here_->count(); }
    std::int64_t known() const override { return here_->known(); }
    double cost(const Job& job) const override { return here_->cost(job); }
    double step_cost(std::int32_t candidate) const override { return here_->step_cost(candidate); }
    Result train(const Job& job, int thread, Team& team, const std::atomic<bool>& stop) override;
    Team::Help help(std::int32_t candidate, int thread, Team& team, const Team::Invitation& invitation) override {
        return here_->help(candidate, thread, team, invitation);
    }
    States publish(std::int32_t candidate) override;
    void wait(std::int32_t candidate, std::int32_t rung, double score, double loss) override;
    void retire(std::int32_t candidate) override;
    MemoryUse memory() const override { return here_->memory(); }
    void recall(const Job& job, std::span<const double> fold_scores) override { here_->recall(job, fold_scores); }
    int folds() const override { return here_->folds(); }
    States share(std::int32_t candidate, std::int32_t rung) override { return here_->share(candidate, rung); }
    States rebuild(const Job& job, std::uint64_t weights_hash, int thread, const std::atomic<bool>& stop) override {
        return here_->rebuild(job, weights_hash, thread, stop);
    }

  private:
    const std::unique_ptr<FoldedCandidates> here_;
    const std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace ash
