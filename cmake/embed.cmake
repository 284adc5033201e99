# SPDX-License-Identifier: MIT
# Files inside the program. mscope_embed(NAME SYMBOL files...): library mscope_NAME gets a table SYMBOL of
# struct embedded_file { name; bytes; n_bytes } that ends with a null name. Run as a script it writes that table.

if(CMAKE_SCRIPT_MODE_FILE)
    set(table "")
    set(text "/* SPDX-License-Identifier: MIT */\n/* Made by cmake/embed.cmake. */\n#include \"${HEADER}\"\n\n")
    set(i 0)
    foreach(file ${FILES})
        file(READ ${file} bytes HEX)
        string(LENGTH "${bytes}" length)
        math(EXPR length "${length} / 2")
        string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
        string(REGEX REPLACE "((0x..,){20})" "\\1\n" bytes "${bytes}")
        get_filename_component(name ${file} NAME)
        string(APPEND text "static const unsigned char file_${i}[] = {\n${bytes}0};\n")
        string(APPEND table "    {\"${name}\", file_${i}, ${length}},\n")
        math(EXPR i "${i} + 1")
    endforeach()
    string(APPEND text "\nconst struct embedded_file ${SYMBOL}[] = {\n${table}    {0},\n};\n")
    file(WRITE ${OUT} "${text}")
    return()
endif()

function(mscope_embed name symbol header)
    if(NOT TARGET mscope_${name})
        return()
    endif()
    set(out ${CMAKE_BINARY_DIR}/generated/${symbol}.c)
    string(REPLACE ";" "\\;" files "${ARGN}")
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} "-DFILES=${ARGN}" -DSYMBOL=${symbol} -DHEADER=${header} -DOUT=${out}
                -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
        DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
    target_sources(mscope_${name} PRIVATE ${out})
endfunction()
