# SPDX-License-Identifier: Apache-2.0
# The commands of Vitis HLS that hls4ml's scripts call: each is recorded, files must exist, and C simulation is real, with
# g++ and the flags that the script states. Run in a project: tclsh vitis_stub.tcl <folder of ap_types>
set recorded {}
set sources {}
set flags {}
set ap_types [lindex $argv 0]

foreach name {
    open_project set_top open_solution config_array_partition config_compile set_part config_schedule create_clock
    set_clock_uncertainty csynth_design cosim_design export_design
} {
    proc $name {args} "global recorded; lappend recorded \[concat $name \$args\]"
}

proc add_files {args} {
    global recorded sources flags
    lappend recorded [concat add_files $args]
    set bench 0
    for {set i 0} {$i < [llength $args]} {incr i} {
        set word [lindex $args $i]
        if {$word eq "-tb"} {
            set bench 1
        } elseif {$word eq "-cflags"} {
            incr i
            foreach flag [lindex $args $i] {
                if {$flag ni $flags} { lappend flags $flag }
            }
        } elseif {![file exists $word]} {
            error "add_files $word: no such file"
        } elseif {[file extension $word] eq ".cpp"} {
            lappend sources $word
        }
    }
}

proc csim_design {args} {
    global recorded sources flags ap_types
    lappend recorded [concat csim_design $args]
    exec -ignorestderr g++ -O1 -w {*}$flags -I$ap_types "-DWEIGHTS_DIR=\"firmware/weights\"" {*}$sources -o csim.exe
    exec ./csim.exe
}

# A script ends with exit; what was recorded is printed first.
rename exit leave
proc exit {{code 0}} {
    foreach line $::recorded { puts "RECORDED $line" }
    leave $code
}
source build_prj.tcl
