// mailbox.hpp: passes jobs to other processes or machines and waits for their results.
//
//     tuner's threads                              Mailbox                       dispatcher, one Python thread
//       train(job): send, then sleep ------> [ letters: job, states ] -- take() ------> hands them to workers
//                   wake, then return <----- [ answers by number    ] <- answer() ----- when a job is done
//       in the critical section: note() ---> [ notes                ] -- take() ------> lets them keep/drop states
//
// The tuner's threads only wait for answers, so there may be many more of them than cores. An answer may contain the
// states after the job. If it does, the states are kept in this process (store.hpp) and sent with the next job of their
// candidate. Otherwise they stay with the worker, and notes say which of them are needed at the end (kept) and which
// are no longer needed (dropped).
//
// Order:       take() returns a list of notes and a list of letters, each in the order of writing. The dispatcher
//              processes the notes first.
// Invariants:  (1) a letter is answered at most once; later answers with the same number are ignored;
//              (2) after close() no thread sleeps in send() or take(); a job without an answer counts as stopped;
//              (3) the mutex is held for a few memory moves, and never while waiting for anything else.
// Threads:     the tuner's threads call send() outside and note() inside the tuner's critical section. Any thread may
//              call all other functions.
// Cost:        two wake-ups per job.
#pragma once

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

// A job sent to a worker.
struct Letter {
    std::int64_t number;
    Job job;
    States states;  // states [folds] to continue from; empty if the worker has them or the job starts from scratch
};

struct Answer {
    Result result;
    std::vector<double> fold_scores = {};  // empty if the job has diverged
    std::vector<State> states = {};  // states [folds] after the job, without layouts; empty if the worker keeps them
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
    // capacity: the maximum number of jobs in flight. REQUIRES: at least 1.
    explicit Mailbox(int capacity) : capacity_(capacity) {}

    int capacity() const { return capacity_; }

    // Sends a job and waits for the answer. Returns nullopt if the mailbox is closed first.
    std::optional<Answer> send(const Job& job, States states);
    void note(Note::Kind kind, std::int32_t candidate);

    // Waits until there is a letter, wake() or close() is called, or `seconds` have passed. Returns the new mail.
    Mail take(double seconds);
    void wake();

    // Returns false, and ignores the answer, if no thread waits for it any more or the letter was answered before.
    bool answer(std::int64_t number, Answer answer);
    void close();  // called when the tuner stops

  private:
    struct Waiting {
        std::condition_variable answered;
        std::optional<Answer> answer;
    };

    const int capacity_;
    std::mutex mutex_;  // guards all members below
    std::condition_variable news_;
    Mail mail_;
    std::map<std::int64_t, Waiting> waiting_;  // waiting threads by letter number
    std::int64_t next_ = 0;
    bool woken_ = false;
    bool closed_ = false;
};

}  // namespace ash
