// mailbox.hpp: jobs that are done elsewhere: in other processes, on other machines.
//
//     threads of the tuner                         Mailbox                       the dispatcher, one thread of Python
//       train(job): send, and sleep  ------> [ letters: job, states ] -- take() ------> hands it to a worker
//                   wake, and return <------ [ answers by number    ] <- answer() ----- when that is done
//       in the critical section: note() ---> [ notes                ] -- take() ------> keeps or drops what lies there
//
// The threads of the tuner only wait here, so there may be many more of them than cores. An answer may bring the states
// that the job has left; they are then kept here (store.hpp) and go out with the next job of their candidate. Or they
// stay with the worker: then notes say which are wanted in the end (kept) and which no more (dropped).
//
// Order:       notes and letters are taken in the order in which they were written, the notes first.
// Invariants:  (1) a letter is answered once: later answers of the same number are ignored;
//              (2) after close() nothing sleeps here: a job without an answer counts as stopped;
//              (3) the mutex is held for a few moves of memory, and never while waiting for something else;
//              (4) the flag of a tuner is only read while a thread of that tuner waits here.
// Threads:     send() and note(): any thread of the tuner, note() in its critical section; all others: any thread.
// Cost:        two wake-ups per job.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "ash/model/state.hpp"
#include "ash/search/ladder.hpp"
#include "ash/train/training_job.hpp"

namespace ash {

// A job on its way.
struct Letter {
    std::int64_t number;
    Job job;
    States states;  // [folds] to go on from; none: from those that the worker has, or from scratch
};

struct Answer {
    Result result;
    std::vector<double> fold_scores = {};  // none: the job has diverged
    std::vector<State> states = {};        // [folds] after the job, without layouts; none: they stay where they are
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
    // capacity: how many jobs may be on their way. REQUIRES: at least 1.
    explicit Mailbox(int capacity) : capacity_(capacity) {}

    int capacity() const { return capacity_; }

    // Waits for the answer; none if the mailbox is closed before.
    std::optional<Answer> send(const Job& job, States states, const std::atomic<bool>& stop);
    void note(Note::Kind kind, std::int32_t candidate);

    // Waits for a letter, for wake(), or for `seconds`, and returns what is new. Closes the mailbox if the tuner is to
    // stop.
    Mail take(double seconds);
    void wake();

    // False: nothing waits for it any more.
    bool answer(std::int64_t number, Answer answer);
    void close();

  private:
    struct Waiting {
        std::condition_variable answered;
        std::optional<Answer> answer;
        const std::atomic<bool>* stop = nullptr;  // of the tuner, which lives as long as its thread is in send()
    };

    void close_locked();

    const int capacity_;
    std::mutex mutex_;  // guards all below
    std::condition_variable news_;
    Mail mail_;
    std::map<std::int64_t, Waiting> waiting_;  // by number
    std::int64_t next_ = 0;
    bool woken_ = false;
    bool closed_ = false;
};

}  // namespace ash
