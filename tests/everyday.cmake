# The everyday loop, which is the preset test: what finds nearly every mistake in a fraction of the time. Its tests have
# the label everyday, and the target of that name builds what they need. tools/test.sh runs them and all the others.
include_guard(GLOBAL)
add_custom_target(everyday)

# evloop_everyday([TARGETS <target>...] [TESTS <test>...])
function(evloop_everyday)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "TARGETS;TESTS")
    if(arg_TARGETS)
        add_dependencies(everyday ${arg_TARGETS})
    endif()
    foreach(test IN LISTS arg_TESTS)
        set_property(TEST ${test} APPEND PROPERTY LABELS everyday)
    endforeach()
endfunction()
