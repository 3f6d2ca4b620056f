# cmake -DNM=... -DOBJECTS=... -P weak_symbols.cmake: fails if an object of unit_v3, unit_v4 or unit_amx defines a weak
# symbol or a global function. Both are checked because a symbol that is weak in ELF is a global function in a COMDAT
# section in COFF.

list(FILTER OBJECTS INCLUDE REGEX "unit_(v[34]|amx)\\.")
foreach(object IN LISTS OBJECTS)
    execute_process(COMMAND "${NM}" --demangle --defined-only "${object}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[0-9a-f]+ [TuVvWw] [^\n]+" weak "${symbols}")
    list(FILTER weak EXCLUDE REGEX "DW\\.ref\\.")  # an address for the stack unwinder, not code
    if(weak)
        list(JOIN weak "\n  " weak)
        message(FATAL_ERROR "${object} defines what other units may be linked to:\n  ${weak}")
    endif()
endforeach()
