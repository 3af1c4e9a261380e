# What the build of llama.cpp is told beyond the binding's build script. CMake
# reads this after each project() there; .cargo/config.toml names it.

# The libraries find each other wherever they lie together.
set(CMAKE_INSTALL_RPATH "$ORIGIN")

# One file a library. The binding's build script puts links to versioned files
# beside the program without those files, and fails when it runs again.
set(CMAKE_PLATFORM_NO_VERSIONED_SONAME ON)

# Plugins are one file per level of the instruction set, chosen when the program
# starts. A build for this machine alone needs only its own, which is one in ten
# of the work; a build for boards sets SHOAL_EVERY_ISA.
if(NOT DEFINED ENV{SHOAL_EVERY_ISA})
    set(GGML_CPU_ALL_VARIANTS OFF CACHE BOOL "" FORCE)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        # ggml takes GGML_NATIVE with plugins on every architecture but this.
        set(GGML_NATIVE OFF CACHE BOOL "" FORCE)
        add_compile_options(-march=native)
    endif()
else()
    set(GGML_NATIVE OFF CACHE BOOL "" FORCE)
endif()
