# For ctest, which includes it: the suites that a test binary has now, each one test, in a process of its own. All of
# them are everyday tests but those that all_but, a regular expression, matches.
function(evloop_suites binary prefix label all_but environment)
    execute_process(COMMAND "${binary}" --gtest_list_tests OUTPUT_VARIABLE listing RESULT_VARIABLE result)
    if(result EQUAL 0)
        string(REGEX MATCHALL "\n[A-Za-z0-9_/]+\\." suites "\n${listing}")
    endif()
    if(NOT suites) # not built, or it crashes: the test that runs all of it tells
        set(suites "\n${label}.")
    endif()
    foreach(suite IN LISTS suites)
        string(REGEX REPLACE "^\n(.*)\\.$" "\\1" suite "${suite}")
        add_test("${prefix}.${suite}" ${ARGN} "${binary}" "--gtest_filter=${suite}.*")
        set_tests_properties("${prefix}.${suite}" PROPERTIES
            TIMEOUT 900 LABELS "${label}" ENVIRONMENT "${environment}")
        if(NOT suite MATCHES "${all_but}")
            set_tests_properties("${prefix}.${suite}" PROPERTIES LABELS "${label};everyday")
        endif()
        # The long ones first, until ctest has measured: the others run beside them.
        if(suite MATCHES "Walk$|Chains$|^Load$|^Steady$|^Many|^ForkStress$|Embedded$")
            set_tests_properties("${prefix}.${suite}" PROPERTIES COST 100)
        endif()
    endforeach()
endfunction()
