# Sets the compiler flags of all targets (interface library ash_flags) and of the kernel units.
#
# Results are bit-identical on every machine because of these flags. All code is compiled with -ffp-contract=off, so a
# multiplication and an addition are fused only where the source calls fma. There is no fast-math and no -march=native.
# Each instruction set has its own kernel unit, and one unit is chosen at run time.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)  # ash has no C++ modules, and the scan would read every source a second time
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

add_library(ash_flags INTERFACE)
target_compile_options(ash_flags INTERFACE
    -ffp-contract=off
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    -Wno-sign-conversion  # clang includes this warning in -Wconversion, g++ does not
    $<$<BOOL:${ASH_WERROR}>:-Werror>
    # Paths in the wheel do not depend on the build folder, so all builds are identical. Debug builds keep the paths.
    "$<$<CONFIG:Release,MinSizeRel>:-ffile-prefix-map=${CMAKE_BINARY_DIR}=build;-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.>")

set(ash_sanitizer_flags_address -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
set(ash_sanitizer_flags_fuzzer ${ash_sanitizer_flags_address} -fsanitize=fuzzer-no-link)
set(ash_sanitizer_flags_thread -fsanitize=thread -fno-omit-frame-pointer)
if(ASH_SANITIZE)
    if(NOT DEFINED ash_sanitizer_flags_${ASH_SANITIZE})
        message(FATAL_ERROR " ASH_SANITIZE is '${ASH_SANITIZE}': allowed are an empty string, address, fuzzer and thread.")
    endif()
    target_compile_options(ash_flags INTERFACE ${ash_sanitizer_flags_${ASH_SANITIZE}})
    target_link_options(ash_flags INTERFACE ${ash_sanitizer_flags_${ASH_SANITIZE}})
endif()

if(ASH_COVERAGE)
    target_compile_options(ash_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(ash_flags INTERFACE --coverage)
endif()

# -fwrapv: signed integers in vectors wrap around on overflow, as they do in the processor.
set(ASH_KERNEL_FLAGS "${ASH_KERNEL_OPTIMIZATION}" -fno-math-errno -fno-trapping-math -fwrapv)
set(ash_kernel_flags_baseline "")
set(ash_kernel_flags_v3 -mavx2 -mfma)
set(ash_kernel_flags_v4 -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
set(ash_kernel_flags_amx ${ash_kernel_flags_v4} -mavx512bf16 -mamx-tile -mamx-bf16)
set(ash_kernel_flags_neon "")
if(MINGW AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The stack of Windows is aligned to 16 bytes, but g++ spills wider vectors with aligned moves, which crash
    # (https://gcc.gnu.org/bugzilla/show_bug.cgi?id=54412). This flag makes the assembler write unaligned moves instead.
    # All other AVX instructions take any address.
    foreach(set v3 v4)
        list(APPEND ash_kernel_flags_${set} -Wa,-muse-unaligned-vector-move)
    endforeach()
endif()

# Adds folder/unit_<set>.cpp for each instruction set of this architecture, each with its own flags.
function(ash_add_kernel_units target folder)
    set(sets baseline)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        list(APPEND sets v3 v4)
        if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
            list(APPEND sets amx)
            set_source_files_properties("${folder}/dispatch.cpp" PROPERTIES COMPILE_DEFINITIONS ASH_AMX)
        endif()
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
        list(APPEND sets neon)
        set_property(SOURCE "${folder}/unit_baseline.cpp" APPEND PROPERTY COMPILE_DEFINITIONS ASH_UNFUSED)
    endif()
    foreach(set IN LISTS sets)
        set(unit "${folder}/unit_${set}.cpp")
        target_sources(${target} PRIVATE "${unit}")
        set_source_files_properties("${unit}" PROPERTIES COMPILE_OPTIONS "${ASH_KERNEL_FLAGS};${ash_kernel_flags_${set}}")
    endforeach()
    if(v4 IN_LIST sets)  # all units share one source, so clang-tidy skips two of them
        set_source_files_properties("${folder}/unit_baseline.cpp" "${folder}/unit_v4.cpp" PROPERTIES SKIP_LINTING ON)
    endif()
endfunction()
