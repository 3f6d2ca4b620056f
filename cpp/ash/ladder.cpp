#include "ash/ladder.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace ash {

namespace {

constexpr std::int8_t kNotRunning = -1;
constexpr std::int64_t kUnknown = -1;

void check(const LadderSettings& settings) {
    if (settings.candidates < 1 || settings.candidates > std::numeric_limits<std::int32_t>::max()) {
        throw std::invalid_argument("candidates must be from 1 to 2147483647, not " +
                                    std::to_string(settings.candidates));
    }
    if (settings.eta < 2) throw std::invalid_argument("eta must be at least 2, not " + std::to_string(settings.eta));
    if (settings.min_epochs < 1) {
        throw std::invalid_argument("min_epochs must be at least 1, not " + std::to_string(settings.min_epochs));
    }
    if (settings.max_rungs < 0) {
        throw std::invalid_argument("max_rungs must be at least 0, not " + std::to_string(settings.max_rungs));
    }
}

std::int64_t times_eta(std::int64_t epochs, std::int64_t eta) {
    if (epochs > std::numeric_limits<std::int64_t>::max() / eta) {
        throw std::invalid_argument("min_epochs is too large: the epochs of the last rung exceed 2^63 - 1");
    }
    return epochs * eta;
}

// Repeated integer division gives floor(n / eta^k) exactly.
std::vector<Rung> make_rungs(const LadderSettings& settings) {
    const bool keep_best = settings.algorithm == Algorithm::ash && settings.promotion == Promotion::paper;
    const bool everyone = settings.algorithm == Algorithm::random;
    std::vector<Rung> rungs;
    std::int64_t places = settings.candidates;
    std::int64_t epochs = settings.min_epochs;
    rungs.emplace_back(places, epochs, keep_best);
    while (places / settings.eta >= settings.eta && std::ssize(rungs) != settings.max_rungs) {
        places /= settings.eta;
        epochs = times_eta(epochs, settings.eta);
        rungs.emplace_back(everyone ? settings.candidates : places, epochs, keep_best);
    }
    return rungs;
}

}  // namespace

Ladder::Ladder(const LadderSettings& settings) : settings_(settings) {
    check(settings);
    rungs_ = make_rungs(settings);
    population_.assign(rungs_.size(), kUnknown);
    population_[0] = settings.candidates;
}

std::optional<Job> Ladder::next() {
    for (std::size_t rung = rungs_.size() - 1; rung-- > 0;) {
        if (promotable(rung)) return start(rungs_[rung].promote().candidate, rung + 1);
    }
    const std::int64_t entered = std::ssize(running_rung_);
    if (entered == settings_.candidates) return std::nullopt;
    running_rung_.push_back(kNotRunning);
    return start(static_cast<std::int32_t>(entered), 0);
}

void Ladder::report(const Job& job, double score, double loss) {
    const bool entered = job.candidate >= 0 && job.candidate < std::ssize(running_rung_);
    const auto candidate = static_cast<std::size_t>(job.candidate);
    if (!entered || job.rung < 0 || running_rung_[candidate] != job.rung) {
        throw std::invalid_argument("candidate " + std::to_string(job.candidate) + " is not running in rung " +
                                    std::to_string(job.rung));
    }
    const auto place = static_cast<std::size_t>(job.rung);
    Rung& rung = rungs_[place];
    rung.finish({score, loss, job.candidate}, (rung.finished() + 1) / settings_.eta);
    running_rung_[candidate] = kNotRunning;
    --running_;
    if (rung.finished() == population_[place]) lift_barrier(place);
}

bool Ladder::finished() const { return running_ == 0 && !has_job(); }

bool Ladder::has_job() const {
    if (std::ssize(running_rung_) < settings_.candidates) return true;
    for (std::size_t rung = 0; rung + 1 < rungs_.size(); ++rung) {
        if (promotable(rung)) return true;
    }
    return false;
}

// REQUIRES: there is a rung above.
bool Ladder::promotable(std::size_t index) const {
    const Rung& rung = rungs_[index];
    if (rung.waiting() == 0) return false;
    switch (settings_.algorithm) {
        case Algorithm::random:
            return true;
        case Algorithm::sh:
            return rung.promoted() < population_[index + 1];
        case Algorithm::ash:
            break;
    }
    if (settings_.promotion == Promotion::paper) return rung.among_best();
    return rung.promoted() < rung.finished() / settings_.eta;
}

Job Ladder::start(std::int32_t candidate, std::size_t rung) {
    rungs_[rung].start();
    ++running_;
    running_rung_[static_cast<std::size_t>(candidate)] = static_cast<std::int8_t>(rung);
    return {candidate, static_cast<std::int32_t>(rung), rungs_[rung].epochs()};
}

// All of this rung have finished, which settles how many the rung above will have.
void Ladder::lift_barrier(std::size_t rung) {
    if (rung + 1 == rungs_.size()) return;
    const std::int64_t survivors = rungs_[rung].finished() - rungs_[rung].diverged();
    population_[rung + 1] = std::min(rungs_[rung + 1].places(), survivors);
}

}  // namespace ash
