// guards.cpp: translates errors that pybind11 does not know or would turn into other errors, and refuses objects whose
// constructor has not run.

#include <exception>
#include <stdexcept>
#include <system_error>

#include "bindings/common.hpp"

namespace ash::bindings {
namespace {

// Translates the core's exception for a thread that the system refused to start.
void translate_refusal(std::exception_ptr thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
        const py::object refused = py::module_::import("ash._utils.threads").attr("refused")(error.what());
        PyErr_SetObject(py::type::handle_of(refused).ptr(), refused.ptr());
    }
}

// pybind11 throws std::runtime_error if the interpreter cannot create a list, a tuple or another object. At
// that time the interpreter's own error is still set. If it is a MemoryError, it is passed on instead.
void keep_memory_errors(std::exception_ptr thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::runtime_error&) {
        if (PyErr_Occurred() == nullptr || PyErr_ExceptionMatches(PyExc_MemoryError) == 0) throw;
    }
}

// pybind11 calls this function to allocate an object whose constructor has not run, such as Ladder.__new__(Ladder),
// when the object is first used. This function raises TypeError instead, since the contents of that memory would be
// undefined.
void* refuse_unmade(std::size_t) { throw py::type_error("__init__ of this object was not called"); }

}  // namespace

void bind_guards(py::module_& m) {
    static_cast<void>(
        std::uncaught_exceptions());  // allocates memory for exceptions of the importing thread; see parallel.hpp
    py::register_local_exception_translator(&translate_refusal);
    py::register_local_exception_translator(&keep_memory_errors);
    for (const auto& [name, value] : py::dict(m.attr("__dict__"))) {
        if (!py::isinstance<py::type>(value)) continue;
        py::detail::get_type_info(reinterpret_cast<PyTypeObject*>(value.ptr()))->operator_new = &refuse_unmade;
    }
}

}  // namespace ash::bindings
