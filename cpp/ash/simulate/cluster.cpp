#include "ash/simulate/cluster.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "ash/data/require.hpp"
#include "ash/simulate/processes.hpp"
#include "ash/simulate/simulated_ladder.hpp"

namespace ash {

namespace {

class Run {
  public:
    Run(const SimulationSettings& settings, const Cluster& cluster, const Workload& workload,
        const std::function<void(const SimulatedJob&)>& observer)
        : cluster_(cluster),
          workload_(workload),
          ladder_(settings, workload, observer),
          in_(cluster.bandwidth),
          out_(cluster.bandwidth),
          processes_(settings.threads, cluster.threads_per_process, cluster.in_flight, cluster.process_bandwidth) {}

    ClusterSimulation run() {
        send_data();
        give_out();
        while (!events_.empty() && !clock().finished()) {
            const Event event = events_.top();
            events_.pop();
            now_ = event.time;
            handle(event);
        }
        return account();
    }

  private:
    enum class Kind : std::uint8_t { known, free, arrived, ended };

    struct Event {
        double time;
        Kind kind;
        std::int64_t tie;
        int flight;  // index of the job in flights_

        bool operator>(const Event& other) const {
            return std::tie(time, kind, tie) > std::tie(other.time, other.kind, other.tie);
        }
    };

    // A job that was given out and whose result is not known yet.
    struct Flight {
        Task task;
        int process = 0;
        int thread = 0;  // number of the thread within its process
        double start = 0.0;
        double end = 0.0;
    };

    Clock& clock() { return ladder_.clock(); }
    Process& process(int number) { return processes_.at(number); }
    Flight& flight(int number) { return flights_[static_cast<std::size_t>(number)]; }
    int thread_of(const Flight& own) const { return own.process * cluster_.threads_per_process + own.thread; }

    void handle(const Event& event) {
        switch (event.kind) {
            case Kind::known:
                know(event.flight);
                give_out();
                break;
            case Kind::free:
                give_out();
                break;
            case Kind::arrived:
                arrive(event.flight);
                break;
            case Kind::ended:
                end(event.flight);
                break;
        }
    }

    double send(Line& from, Line& to, double now, double bytes) {
        bytes_ += bytes;
        return std::max(from.pass(now, bytes), to.pass(now, bytes)) + cluster_.latency;
    }

    // Sends the data in rounds. In each round every holder of the data (at first only the coordinator) sends them to
    // one more process.
    void send_data() {
        const int count = cluster_.data_bytes == 0.0 ? 0 : static_cast<int>(processes_.size());
        for (int holders = 1; holders <= count; holders *= 2) {
            for (int sender = 0; sender < holders && holders + sender <= count; ++sender) {
                Line& from = sender == 0 ? out_ : process(sender - 1).out;
                const double since = sender == 0 ? 0.0 : process(sender - 1).data;
                Process& to = process(holders + sender - 1);
                to.data = send(from, to.in, since, cluster_.data_bytes);
            }
        }
    }

    void give_out() {
        while (now_ >= free_at_ && processes_.has_vacancy() && clock().has_task()) {
            if (const std::optional<Task> task = clock().next()) give_out(*task);
        }
    }

    void give_out(const Task& task) {
        const int to = place(task.job);
        processes_.change_vacancies(to, -1);
        free_at_ = now_ + cluster_.decision_seconds;
        const int number = free_flight();
        flight(number) = {.task = task, .process = to};
        events_.push({arrival(task.job, to), Kind::arrived, given_++, number});
        if (free_at_ > now_) events_.push({free_at_, Kind::free, 0, 0});
    }

    int place(const Job& job) {
        if (cluster_.states_stay && job.rung > 0 && process(home(job)).vacancies > 0) return home(job);
        return processes_.most_vacant();
    }

    // Returns the time at which the job, its state and the data have all arrived at process `to`. The job is given out
    // at free_at_.
    double arrival(const Job& job, int to) {
        double there = free_at_ + cluster_.latency;
        if (job.rung > 0 && !cluster_.states_stay) {
            there = send(out_, process(to).in, free_at_, bytes_before(job));
        } else if (job.rung > 0 && home(job) != to) {
            ++moves_;
            there = send(process(home(job)).out, process(to).in, there, bytes_before(job));
        }
        return std::max(there, process(to).data);
    }

    void arrive(int number) {
        Process& own = process(flight(number).process);
        if (own.idle.empty()) {
            own.waiting.push_back(number);
        } else {
            start(number, own.idle.take_lowest());
        }
    }

    void start(int number, int thread) {
        Flight& own = flight(number);
        own.thread = thread;
        own.start = now_;
        events_.push({now_ + workload_.seconds(own.task.job), Kind::ended, thread_of(own), number});
    }

    void end(int number) {
        Flight& own = flight(number);
        own.end = now_;
        busy_ += own.end - own.start;
        Process& there = process(own.process);
        const Job& job = own.task.job;
        home(job) = own.process;
        const double known = cluster_.states_stay ? now_ + cluster_.latency : send(there.out, in_, now_, bytes_of(job));
        events_.push({known, Kind::known, thread_of(own), number});
        if (there.waiting.empty()) {
            there.idle.insert(own.thread);
        } else {
            const int next = there.waiting.front();
            there.waiting.pop_front();
            start(next, own.thread);
        }
    }

    void know(int number) {
        const Flight own = flight(number);
        spare_.push_back(number);
        processes_.change_vacancies(own.process, 1);
        ladder_.finish(own.task, {own.task.job, thread_of(own), own.start, own.end, 1});
    }

    ClusterSimulation account() {
        ClusterSimulation result;
        result.processes = static_cast<int>(processes_.size());
        result.bytes = bytes_;
        result.moves = moves_;
        result.coordinator = static_cast<double>(given_) * cluster_.decision_seconds - std::max(free_at_ - now_, 0.0);
        result.line = std::max(in_.busy(now_), out_.busy(now_));
        for (const Process& each : processes_.all()) {
            result.line = std::max({result.line, each.in.busy(now_), each.out.busy(now_)});
        }
        for (; !events_.empty(); events_.pop()) {  // adds the seconds of jobs that the end of the run cut off
            if (events_.top().kind == Kind::ended) busy_ += now_ - flight(events_.top().flight).start;
        }
        result.run = ladder_.close(now_, busy_);
        return result;
    }

    double bytes_of(const Job& job) const { return workload_.state_bytes ? workload_.state_bytes(job) : 0.0; }

    // Returns the bytes of the state from which the job starts.
    double bytes_before(Job job) const {
        --job.rung;
        return bytes_of(job);
    }

    // Returns a reference to the number of the process that ran the candidate's last job.
    int& home(const Job& job) {
        const auto candidate = static_cast<std::size_t>(job.candidate);
        if (candidate >= homes_.size()) homes_.resize(candidate + 1, 0);
        return homes_[candidate];
    }

    int free_flight() {
        if (spare_.empty()) {
            flights_.emplace_back();
            return static_cast<int>(flights_.size()) - 1;
        }
        const int number = spare_.back();
        spare_.pop_back();
        return number;
    }

    const Cluster cluster_;
    const Workload& workload_;
    SimulatedLadder ladder_;
    Line in_;   // incoming direction of the coordinator's line
    Line out_;  // outgoing direction
    Processes processes_;
    std::vector<Flight> flights_;
    std::vector<int> spare_;
    std::vector<int> homes_;  // [candidate]: number of the process of the candidate's last job
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    double now_ = 0.0;
    double free_at_ = 0.0;  // time from which the coordinator can make the next decision
    std::int64_t given_ = 0;
    std::int64_t moves_ = 0;
    double bytes_ = 0.0;
    double busy_ = 0.0;  // total seconds of ended jobs
};

}  // namespace

ClusterSimulation simulate_cluster(const SimulationSettings& settings, const Cluster& cluster, const Workload& workload,
                                   const std::function<void(const SimulatedJob&)>& observer) {
    require(settings.threads >= 1, "threads must be at least 1, not " + std::to_string(settings.threads));
    require(!settings.teams, "teams: not supported for a cluster");
    require(cluster.threads_per_process >= 1 && cluster.in_flight >= 1,
            "a process must have a thread and a job in flight");
    require(cluster.in_flight <= std::numeric_limits<int>::max() / settings.threads, "too many jobs in flight");
    require(cluster.bandwidth > 0.0 && cluster.process_bandwidth > 0.0, "bandwidth: must be above 0");
    for (const double amount : {cluster.latency, cluster.data_bytes, cluster.decision_seconds}) {
        require(amount >= 0.0 && std::isfinite(amount),
                "seconds and bytes of a cluster must be finite and not negative");
    }
    return Run(settings, cluster, workload, observer).run();
}

}  // namespace ash
