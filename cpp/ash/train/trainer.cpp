#include "ash/train/trainer.hpp"

#include <algorithm>
#include <cmath>

#include "ash/data/random.hpp"
#include "ash/kernels/embedding.hpp"
#include "ash/train/denormals.hpp"
#include "ash/train/learning_rate.hpp"
#include "ash/train/propagation.hpp"
#include "ash/train/sharing.hpp"

namespace ash {
namespace {

bool is_set(const std::atomic<bool>* stop) { return stop != nullptr && stop->load(std::memory_order_relaxed); }

// One running job. It changes only the state, the workspace, the reported losses and the team.
class Run {
  public:
    Run(const Data& data, const Settings& settings, const Training& training, const Kernels& kernels, State& state,
        Workspace& workspace)
        : data_(data),
          settings_(settings),
          training_(training),
          kernels_(kernels),
          state_(state),
          workspace_(workspace),
          full_(settings.batch_size == 0),
          embeds_(state.layout.embeds()),
          epochs_(epochs_of(settings, data)),
          batch_(batch_rows(settings, data)),
          steps_((epochs_.rows() + batch_ - 1) / batch_),
          weight_cut_(state.layout) {
        copy_all(kernels_, state_.layout, state_.weights.data(), workspace_.copies.data());
    }

    Outcome all() {
        Outcome outcome;
        for (std::int64_t epoch = 0; epoch < training_.epochs && !outcome.diverged; ++epoch) {
            if (training_.team != nullptr)
                training_.team->set_left(1.0 - static_cast<double>(epoch) / static_cast<double>(training_.epochs));
            if (!one_epoch(epoch)) {
                outcome.stopped = true;
                return outcome;
            }
            outcome.loss = loss_sum_ / static_cast<double>(epochs_.rows());
            if (!training_.losses.empty()) training_.losses[static_cast<std::size_t>(epoch)] = outcome.loss;
            outcome.diverged =
                !std::isfinite(outcome.loss) || !kernels_.finite(state_.weights.data(), state_.weights.size());
        }
        return outcome;
    }

  private:
    // Returns false if training was stopped.
    bool one_epoch(std::int64_t epoch) {
        loss_sum_ = 0.0;
        if (!full_) take_rows(epoch == 0);
        for (std::int64_t step = 0; step < steps_; ++step) {
            const std::int64_t first = step * batch_;
            const Batch batch = batch_of(std::min(batch_, epochs_.rows() - first));
            if (!one_step(batch, first, epoch * steps_ + step)) return false;
            for (std::int64_t row = 0; row < batch.rows; ++row)
                loss_sum_ += losses_per_row() * workspace_.losses.data()[row];
        }
        ++state_.epochs;
        return true;
    }

    // Selects the rows of the next epoch. begins: whether this is the job's first epoch. If so, the order of the pass
    // is computed even in the middle of a pass.
    void take_rows(bool begins) {
        const EpochCut::Window window = epochs_.window(state_.epochs);
        order_ = workspace_.order.data() + window.first;
        if (!begins && window.first > 0) return;
        const Stream stream{training_.candidate, Purpose::shuffle, 0, static_cast<std::uint32_t>(window.pass)};
        shuffle(training_.seed, stream, {workspace_.order.data(), static_cast<std::size_t>(data_.training().count)});
    }

    // Returns the factor on the sum of a row's losses over its outputs. For regression it turns the sum into a mean.
    double losses_per_row() const { return data_.classes() > 0 ? 1.0 : 1.0 / data_.outputs(); }

    Batch batch_of(std::int64_t rows) {
        const Rows& training = data_.training();
        return {.rows = rows,
                .inputs = embeds_ ? workspace_.embedded.data() : rows_of_batch(),
                .input_stride = embeds_ ? padded(state_.layout.layers().front().inputs) : training.stride,
                .numbers = workspace_.numbers.data(),
                .input_deltas = workspace_.input_deltas.data(),
                .outputs = workspace_.outputs.data(),
                .deltas = workspace_.deltas.data(),
                .slopes = workspace_.slopes.data(),
                .excesses = workspace_.excesses.data(),
                .capacity = batch_,
                .copies = workspace_.copies.data()};
    }

    // Returns the features x of the batch's rows: of all training rows for full batches, else of the gathered rows.
    const float* rows_of_batch() const { return full_ ? data_.training().x.data() : workspace_.inputs.data(); }

    // Passes the batch through the network and back, then updates all weights. Shares this work if the team has
    // members. Returns false if training was stopped.
    bool one_step(const Batch& batch, std::int64_t first, std::int64_t step) {
        if (training_.team != nullptr && training_.team->joined(batch.rows == batch_))
            return shared_step(batch, first, step);
        const Mask mask = next_mask();
        for (std::int64_t row = 0; row < batch.rows; row += kBlockRows) {
            propagate(batch, first, mask, {row, std::min(kBlockRows, batch.rows - row)}, workspace_);
        }
        const Update numbers = next_update(step);
        const auto layers = state_.layout.layers();
        for (std::size_t l = 0; l < layers.size(); ++l) update_all(batch, numbers, l, layers[l].inputs, kBlockWeights);
        update_all(batch, numbers, layers.size(), state_.layout.embedding().numbers, embedding::kColumns);
        return !is_set(training_.stop);
    }

    // Updates `rows` rows of a layer's weights, or the embeddings of `rows` features, in blocks of `block`.
    void update_all(const Batch& batch, const Update& numbers, std::size_t layer, std::int64_t rows,
                    std::int64_t block) {
        for (std::int64_t first = 0; first < rows; first += block)
            update(batch, numbers, layer, {first, std::min(block, rows - first)}, workspace_);
    }

    bool shared_step(const Batch& batch, std::int64_t first, std::int64_t step) {
        Team& team = *training_.team;
        const Mask mask = next_mask();
        const RowCut rows(batch.rows, team.size());
        team.share(rows.count(), workspace_,
                   [&](int block, Workspace& scratch) { propagate(batch, first, mask, rows[block], scratch); });
        const Update numbers = next_update(step);
        const auto blocks = weight_cut_.blocks(team.size());
        team.share(static_cast<int>(blocks.size()), workspace_, [&](int block, Workspace& scratch) {
            const WeightBlock& own = blocks[static_cast<std::size_t>(block)];
            update(batch, numbers, own.layer, own.rows, scratch);
        });
        return !is_set(training_.stop);
    }

    Mask next_mask() const {
        return {static_cast<float>(settings_.dropout), training_.seed, training_.candidate,
                static_cast<std::uint32_t>(state_.updates)};
    }

    // Passes some rows of a batch through the network and back.
    void propagate(const Batch& batch, std::int64_t first, const Mask& mask, Span rows, Workspace& scratch) {
        if (is_set(training_.stop)) return;
        if (!full_) gather(first, rows);
        if (state_.layout.logarithms()) gather_logarithms(first + rows.first, rows);
        if (embeds_) embed_block(rows);
        forward(kernels_, state_.layout, state_.weights.data(), mask, batch, rows, scratch.rounded.data());
        lose(batch, rows);
        backward(kernels_, state_.layout, batch, rows, scratch.rounded.data());
    }

    void embed_block(Span rows) {
        const std::int64_t x_stride = data_.training().stride;
        const std::int64_t stride = padded(state_.layout.layers().front().inputs);
        embed(kernels_, state_.layout, state_.weights.data(), data_.numbers(), rows_of_batch() + rows.first * x_stride,
              x_stride, rows.count, workspace_.numbers.data() + rows.first * state_.layout.embedding().stride,
              workspace_.embedded.data() + rows.first * stride);
    }

    // Gathers some rows of the batch into the workspace. first: place of the batch's first row in the epoch's order.
    void gather(std::int64_t first, Span rows) {
        const Rows& from = data_.training();
        const std::uint32_t* numbers = order_ + first + rows.first;
        from.gather(kernels_, numbers, rows.count, workspace_.inputs.data() + rows.first * from.stride);
        if (!from.weights.empty()) {
            float* weights = workspace_.weights.data() + rows.first;
            for (std::int64_t row = 0; row < rows.count; ++row) weights[row] = from.weights[numbers[row]];
        }
        if (state_.layout.logarithms()) return;
        if (data_.classes() == 0) {
            kernels_.gather(from.targets.data(), from.target_stride, numbers, rows.count,
                            workspace_.targets.data() + rows.first * from.target_stride);
            return;
        }
        std::int32_t* labels = workspace_.labels.data() + rows.first;
        for (std::int64_t row = 0; row < rows.count; ++row) labels[row] = from.labels[numbers[row]];
    }

    // Gathers the logarithms of the targets of rows.count rows, starting at `place` in the epoch's order.
    void gather_logarithms(std::int64_t place, Span rows) {
        const Rows& from = data_.training();
        float* to = workspace_.targets.data() + rows.first * from.target_stride;
        for (std::int64_t end = place + rows.count; place < end; ++place, to += from.target_stride) {
            *to = from.log_targets[static_cast<std::size_t>(full_ ? place : order_[place])];
        }
    }

    // Computes the losses of some rows, and replaces the last layer's outputs by their deltas.
    void lose(const Batch& batch, Span rows) {
        const Layer& last = state_.layout.layers().back();
        const Rows& from = data_.training();
        const Block block{rows.count, last.outputs, last.stride};
        const auto count = static_cast<float>(batch.rows);
        float* outputs = batch.deltas_of(last, rows.first);
        float* losses = workspace_.losses.data() + rows.first;
        if (data_.classes() > 0) {
            const std::int32_t* labels = (full_ ? from.labels.data() : workspace_.labels.data()) + rows.first;
            const auto smoothing = static_cast<float>(settings_.label_smoothing);
            kernels_.softmax(outputs, labels, smoothing, losses, block);
            kernels_.softmax_delta(outputs, labels, smoothing, 1.0F / count, block);
        } else {
            const bool gathered = !full_ || state_.layout.logarithms();
            const float* targets =
                (gathered ? workspace_.targets : from.targets).data() + rows.first * from.target_stride;
            const float scale = 1.0F / (count * static_cast<float>(last.outputs));
            switch (const TargetLoss& loss = data_.loss(); loss.kind) {
                case Loss::squared_error:
                    kernels_.squared_error(outputs, targets, 2.0F * scale, losses, block);
                    break;
                case Loss::pinball:
                    kernels_.pinball(outputs, targets, static_cast<float>(loss.level), scale, losses, block);
                    break;
                case Loss::poisson:
                    kernels_.poisson(outputs, targets, scale, losses, block);
                    break;
            }
        }
        if (!from.weights.empty())
            weigh(outputs, losses, (full_ ? from.weights : workspace_.weights).data() + rows.first, block);
    }

    // Multiplies the loss and the deltas of each row by the row's weight.
    static void weigh(float* deltas, float* losses, const float* weights, Block block) {
        for (std::int64_t row = 0; row < block.rows; ++row) {
            losses[row] *= weights[row];
            float* delta = deltas + row * block.stride;
            for (std::int64_t column = 0; column < block.columns; ++column) delta[column] *= weights[row];
        }
    }

    // Updates some rows of weights from the deltas that propagate() computed. Rows may be updated in any order. Biases
    // are updated together with the layer's last rows.
    void update(const Batch& batch, const Update& numbers, std::size_t layer, Span rows, Workspace& scratch) {
        if (is_set(training_.stop)) return;
        float* gradient = scratch.gradient.data();
        if (layer == state_.layout.layers().size())
            return update_embedding(kernels_, numbers, rows, batch, state_, gradient);
        update_weights(kernels_, numbers, layer, rows, batch, state_, gradient, scratch.rounded.data());
        const bool last = rows.first + rows.count == state_.layout.layers()[layer].inputs;
        if (last) update_biases(kernels_, numbers, layer, batch, state_, gradient);
    }

    // Counts the next update and returns its constants. step: number of earlier updates in this job.
    Update next_update(std::int64_t step) {
        ++state_.updates;
        state_.beta1_power *= settings_.beta1;
        state_.beta2_power *= settings_.beta2;
        double rate = settings_.learning_rate;
        if (settings_.learning_rate_schedule == LearningRateSchedule::cycle) {
            const double steps = static_cast<double>(training_.epochs) * static_cast<double>(steps_);
            rate *= cycle(static_cast<double>(step) / steps);
        }
        return {.optimizer = settings_.optimizer,
                .learning_rate = static_cast<float>(rate),
                .momentum = static_cast<float>(settings_.momentum),
                .beta1 = static_cast<float>(settings_.beta1),
                .beta2 = static_cast<float>(settings_.beta2),
                .epsilon = static_cast<float>(settings_.epsilon),
                .l2 = static_cast<float>(settings_.l2),
                .decay = static_cast<float>(1.0 - rate * settings_.weight_decay),
                .correction1 = static_cast<float>(1.0 / (1.0 - state_.beta1_power)),
                .correction2 = static_cast<float>(1.0 / std::sqrt(1.0 - state_.beta2_power))};
    }

    const Data& data_;
    const Settings& settings_;
    const Training& training_;
    const Kernels& kernels_;
    State& state_;
    Workspace& workspace_;
    const bool full_;
    const bool embeds_;
    const EpochCut epochs_;
    const std::int64_t batch_;  // rows per update
    const std::int64_t steps_;  // updates per epoch
    WeightCut weight_cut_;
    const std::uint32_t* order_ = nullptr;  // [rows of an epoch]: the current epoch's row numbers, in training order
    double loss_sum_ = 0.0;                 // sum of the losses of the current epoch's rows, in their order
};

}  // namespace

Outcome train(const Data& data, const Settings& settings, const Training& training, const Kernels& kernels,
              State& state, Workspace& workspace) {
    const FlushDenormals flush;
    return Run(data, settings, training, kernels, state, workspace).all();
}

}  // namespace ash
