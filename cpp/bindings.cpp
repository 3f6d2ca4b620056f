// bindings.cpp: the native core for Python: a table of contents. python/ash/_core.pyi says the same in types.
#include <exception>
#include <system_error>

#include "bindings/common.hpp"

namespace {

// What the core says of a thread that the system refuses.
void translate_refusal(std::exception_ptr thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
        namespace py = pybind11;
        const py::object refused = py::module_::import("ash._utils.threads").attr("refused")(error.what());
        PyErr_SetObject(py::type::handle_of(refused).ptr(), refused.ptr());
    }
}

}  // namespace

// mod_gil_not_used: the promise of thread safety that free-threaded Python asks for; common.hpp says how it is kept.
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
    pybind11::register_local_exception_translator(&translate_refusal);
    ash::bindings::bind_ladder(m);     // Job, Ladder
    ash::bindings::bind_clock(m);      // Task, Decision, Clock
    ash::bindings::bind_data(m);       // Settings, DataBuilder, Data
    ash::bindings::bind_network(m);    // Network: predictions, weights, pickles
    ash::bindings::bind_mailbox(m);    // Mailbox, train_job: jobs that are done elsewhere
    ash::bindings::bind_tuner(m);      // Tuner; restore.cpp has what a journal needs of it
    ash::bindings::bind_simulator(m);  // Cluster, simulate
    ash::bindings::bind_training(m);   // train, score; timing of steps; instruction sets and build
}
