#include "ash/search/ladder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace ash {

namespace {

constexpr std::int8_t kNotRunning = -1;
constexpr std::int64_t kUnknown = -1;
constexpr std::int64_t kMostGiven = 63;

void require_at_least(std::int64_t lowest, std::int64_t value, const std::string& name) {
    if (value >= lowest) return;
    throw std::invalid_argument(name + " must be at least " + std::to_string(lowest) + ", not " +
                                std::to_string(value));
}

void check(const LadderSettings& settings) {
    if (settings.candidates < 1 || settings.candidates > std::numeric_limits<std::int32_t>::max()) {
        throw std::invalid_argument("candidates must be from 1 to 2147483647, not " +
                                    std::to_string(settings.candidates));
    }
    require_at_least(2, settings.eta, "eta");
    require_at_least(1, settings.min_epochs, "min_epochs");
    require_at_least(0, settings.max_rungs, "max_rungs");
    require_at_least(0, settings.max_total_epochs, "max_total_epochs");
    require_at_least(0, settings.report_limit, "report_limit");
    require_at_least(0, settings.patience, "patience");
    require_at_least(0, settings.max_failures, "max_failures");
    require_at_least(0, settings.first_failures, "first_failures");
    if (std::ssize(settings.rungs) > kMostGiven) throw std::invalid_argument("rungs: at most 63 may be given");
    std::int64_t below = settings.candidates;
    for (const GivenRung& rung : settings.rungs) {
        require_at_least(1, rung.places, "places");
        require_at_least(0, rung.epochs, "epochs");
        if (rung.places > below) throw std::invalid_argument("a rung has more places than the one below");
        below = rung.places;
    }
    if (!settings.rungs.empty() && settings.rungs[0].places != settings.candidates) {
        throw std::invalid_argument("the lowest rung must have a place for each candidate");
    }
}

bool ranks_all(const LadderSettings& settings) {
    return settings.algorithm == Algorithm::ash && settings.promotion != Promotion::capped;
}

bool is_improving(const LadderSettings& settings) {
    return settings.algorithm == Algorithm::ash && settings.promotion == Promotion::improving;
}

std::int64_t times_eta(std::int64_t epochs, std::int64_t eta) {
    if (epochs > std::numeric_limits<std::int64_t>::max() / eta) {
        throw std::invalid_argument("min_epochs is too large: the epochs of the last rung exceed 2^63 - 1");
    }
    return epochs * eta;
}

// Returns the rungs, in which no candidate has started yet. If the settings give no rungs, the number of places is
// divided by eta again and again, since repeated integer division gives floor(n / eta^k) exactly.
std::vector<Rung> make_rungs(const LadderSettings& settings) {
    const bool keep_best = ranks_all(settings);
    const bool everyone = settings.algorithm == Algorithm::random;
    std::vector<Rung> rungs;
    for (const GivenRung& given : settings.rungs) {
        rungs.emplace_back(everyone ? settings.candidates : given.places, given.epochs, keep_best);
    }
    if (!rungs.empty()) return rungs;
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

Ladder::Ladder(const LadderSettings& settings) : settings_(settings), epochs_left_(settings.max_total_epochs) {
    check(settings);
    rungs_ = make_rungs(settings);
    population_.assign(rungs_.size(), kUnknown);
    population_[0] = settings.candidates;
    most_finished_.push_back(settings.candidates);
    for (std::size_t rung = 0; rung + 1 < rungs_.size(); ++rung) most_finished_.push_back(most_promoted(rung));
}

std::optional<Job> Ladder::next() {
    const std::optional<std::size_t> rung = next_rung();
    if (closed_ || !rung || !affordable(*rung)) return std::nullopt;
    if (*rung > 0) return start(rungs_[*rung - 1].promote().candidate, *rung);
    running_rung_.push_back(kNotRunning);
    if (is_improving(settings_)) last_.emplace_back();
    return start(static_cast<std::int32_t>(entered() - 1), 0);
}

void Ladder::report(const Job& job, double score, double loss, Failure failure) {
    const bool known = job.candidate >= 0 && job.candidate < entered();
    const auto candidate = static_cast<std::size_t>(job.candidate);
    if (!known || job.rung < 0 || running_rung_[candidate] != job.rung) {
        throw std::invalid_argument("candidate " + std::to_string(job.candidate) + " is not running in rung " +
                                    std::to_string(job.rung));
    }
    const auto place = static_cast<std::size_t>(job.rung);
    Rung& rung = rungs_[place];
    const Entry entry{settings_.rank_by_loss ? -loss : score, loss, job.candidate};
    const bool is_ranked = !is_improving(settings_) || improved(place, entry);
    // rank_limit() is at least share(), except in the last rung, from which no candidate is promoted.
    rung.finish(entry, std::min(share(place, rung.finished() + 1), rank_limit(place)), is_ranked);
    if (is_improving(settings_)) last_[candidate] = entry;
    running_rung_[candidate] = kNotRunning;
    --running_;
    const bool diverged = is_diverged(score, loss);
    if (diverged || !is_ranked) retired_.push_back(job.candidate);
    retire_from(place);
    if (rung.finished() == population_[place]) lift_barrier(place);
    ++reported_;
    if (!is_cut()) cut(job, score, diverged, failure);
}

// Ends the ladder if this report has reached a limit.
void Ladder::cut(const Job& job, double score, bool diverged, Failure failure) {
    const bool is_higher = settings_.by_rung && job.rung > best_rung_;
    const bool is_below = settings_.by_rung && job.rung < best_rung_;
    const bool is_best = !diverged && !is_below && (is_higher || score > best_score_);
    if (is_best) {
        best_score_ = score;
        best_rung_ = job.rung;
    }
    without_better_ = is_best ? 0 : without_better_ + 1;
    failures_ = diverged ? failures_ + (failure.is_error ? 1 : 0) : 0;
    new_failures_ = diverged ? new_failures_ + (failure.is_error && !failure.is_known ? 1 : 0) : 0;
    const bool has_score = std::isfinite(best_score_);
    const bool can_stop = !settings_.by_rung || job.rung + 1 == std::ssize(rungs_);
    if (!diverged && can_stop && score >= settings_.stop_score)
        cut_ = Ending::stop_score;
    else if ((settings_.max_failures > 0 && failures_ >= settings_.max_failures) ||
             (settings_.first_failures > 0 && !has_score && new_failures_ >= settings_.first_failures))
        cut_ = Ending::failures;
    else if (settings_.patience > 0 && without_better_ == settings_.patience)
        cut_ = Ending::patience;
    else if (reported_ == settings_.report_limit)
        cut_ = Ending::report_limit;
}

// Returns whether the entry is better than its candidate's entry in the rung below. Always true in rung 0. REQUIRES:
// the promotion is improving.
bool Ladder::improved(std::size_t rung, const Entry& entry) const {
    return rung == 0 || better(entry, last_[static_cast<std::size_t>(entry.candidate)]);
}

bool Ladder::has_job() const {
    const std::optional<std::size_t> rung = next_rung();
    return !closed_ && rung && affordable(*rung);
}

Ending Ladder::ending() const {
    if (is_cut()) return cut_;
    if (running_ > 0) return Ending::none;
    const std::optional<std::size_t> rung = next_rung();
    if (!rung) return Ending::finished;
    if (closed_) return Ending::work_limit;
    return affordable(*rung) ? Ending::none : Ending::max_total_epochs;
}

// Returns the rung of the next job, whether or not the job is affordable. While no job is given out, reports never
// lower this rung. So once a job is unaffordable, all later jobs are unaffordable, provided that no rung has fewer
// epochs than the rung below.
std::optional<std::size_t> Ladder::next_rung() const {
    if (is_cut()) return std::nullopt;
    for (std::size_t rung = rungs_.size() - 1; rung > 0; --rung) {
        if (promotable(rung - 1)) return rung;
    }
    return entered() < settings_.candidates ? std::optional<std::size_t>(0) : std::nullopt;
}

bool Ladder::affordable(std::size_t rung) const {
    return settings_.max_total_epochs == 0 || rungs_[rung].epochs() <= epochs_left_;
}

// Returns whether a waiting candidate of this rung may be promoted now. REQUIRES: there is a rung above.
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
    if (ranks_all(settings_)) return rung.promotable() > 0;
    return rung.promoted() < share(index, rung.finished());
}

// Retires candidates after a report in this rung. Continues with higher rungs until the number of candidates that can
// ever finish in the next rung is unchanged.
void Ladder::retire_from(std::size_t rung) {
    for (;; ++rung) {
        const std::int64_t unranked = ranks_all(settings_) ? 0 : rungs_[rung].promoted();
        rungs_[rung].keep(rank_limit(rung) - unranked, retired_);
        if (rung + 1 == rungs_.size()) return;
        const std::int64_t most = most_promoted(rung);
        if (most == most_finished_[rung + 1]) return;
        most_finished_[rung + 1] = most;
    }
}

// Returns m as defined in ladder.hpp, for a rung in which `finished` candidates have finished. The last rung promotes
// no candidate, so m is unused there.
std::int64_t Ladder::share(std::size_t rung, std::int64_t finished) const {
    if (settings_.rungs.empty() || rung + 1 == rungs_.size()) return finished / settings_.eta;
    return finished * rungs_[rung + 1].places() / rungs_[rung].places();
}

// Returns L(k) (DESIGN.md, "Who retires"). With paper and improving, only the best L(k) candidates can still be
// promoted. With the other rules, L(k) is the maximum number of promotions from this rung.
std::int64_t Ladder::rank_limit(std::size_t rung) const {
    if (rung + 1 == rungs_.size()) return 0;
    if (settings_.algorithm != Algorithm::ash) return rungs_[rung + 1].places();
    return share(rung, most_finished_[rung]);
}

// Returns F(k + 1), the largest number of candidates that can ever finish in the rung above (DESIGN.md, "Who retires").
// REQUIRES: there is a rung above.
std::int64_t Ladder::most_promoted(std::size_t index) const {
    const Rung& rung = rungs_[index];
    const std::int64_t to_come = most_finished_[index] - rung.finished();
    if (!ranks_all(settings_)) return std::min(rank_limit(index), rung.promoted() + rung.waiting() + to_come);
    return rung.promoted() + rung.promotable() + to_come;
}

Job Ladder::start(std::int32_t candidate, std::size_t rung) {
    rungs_[rung].start();
    ++running_;
    if (settings_.max_total_epochs > 0) epochs_left_ -= rungs_[rung].epochs();
    running_rung_[static_cast<std::size_t>(candidate)] = static_cast<std::int8_t>(rung);
    return {candidate, static_cast<std::int32_t>(rung), rungs_[rung].epochs()};
}

// Called when all candidates of this rung have finished. With sh, this determines how many candidates the rung above
// will have. The other algorithms do not use that number.
void Ladder::lift_barrier(std::size_t rung) {
    if (rung + 1 == rungs_.size()) return;
    const std::int64_t survivors = rungs_[rung].finished() - rungs_[rung].diverged();
    population_[rung + 1] = std::min(rungs_[rung + 1].places(), survivors);
}

}  // namespace ash
