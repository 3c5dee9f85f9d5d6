# SPDX-License-Identifier: Apache-2.0
# Commands of Vivado that our scripts use, with their options, for recorder.tcl. From AMD UG835 and UG1118.

# Projects.
known create_project {-force 0 -part 1 -in_memory 0} 1 2 { make [lindex $rest 0]; make project; make sources_1; return project }
known close_project {-delete 0} 0 1
known current_project {} 0 1 { return [need project] }
known current_fileset {} 0 1 { return [need sources_1] }
known get_filesets {} 1 1 { return [need [lindex $rest 0]] }
known add_files {-norecurse 0 -fileset 1} 1 1 { foreach path [lindex $rest 0] { need_file $path } }
known set_property {-dict 1} 1 3 {
    if {[option $words -dict] eq "" && [llength $rest] != 3} { error "set_property: name, value, object" }
    if {[llength [option $words -dict]] % 2} { error "set_property -dict: a value is missing" }
    if {[lindex $rest end] eq ""} { error "set_property: no object" }
}
known get_property {} 2 2 { return 0 }
known update_compile_order {-fileset 1} 0 1 { need [option $words -fileset] }
known get_board_parts {-quiet 0} 1 1 { return [lindex $rest 0] }
known get_files {} 1 1 { return [lindex $rest 0] }
known get_ips {-quiet 0} 0 1

# The packager.
namespace eval ipx {}
known ipx::package_project {-root_dir 1 -vendor 1 -library 1 -taxonomy 1 -import_files 0 -set_current 1} 0 0 {
    make [option $words -root_dir]; make [option $words -root_dir]/component.xml
}
known ipx::unload_core {} 1 1 { need [lindex $rest 0] }
known ipx::edit_ip_in_project {-upgrade 1 -name 1 -directory 1} 1 1 { need [lindex $rest 0]; make core }
known ipx::current_core {} 0 0 { return [need core] }
known ipx::get_user_parameters {-of_objects 1} 0 1 { need [option $words -of_objects]; return {} }
known ipx::remove_user_parameter {} 2 2
known ipx::associate_bus_interfaces {-busif 1 -clock 1 -reset 1} 1 1 { need [lindex $rest 0] }
known ipx::get_bus_interfaces {-of_objects 1} 1 1 { need [option $words -of_objects]; return interface:[lindex $rest 0] }
known ipx::add_bus_parameter {-quiet 0} 2 2 { return parameter }
known ipx::add_memory_map {-quiet 0} 2 2 { need [lindex $rest 1]; return [make map:[lindex $rest 0]] }
known ipx::add_address_block {-quiet 0} 2 2 { need [lindex $rest 1]; return [make block:[lindex $rest 0]] }
known ipx::add_register {-quiet 0} 2 2 { need [lindex $rest 1]; return [make register:[lindex $rest 0]] }
known ipx::add_field {-quiet 0} 2 2 { need [lindex $rest 1]; return [make field:[lindex $rest 1]:[lindex $rest 0]] }
known ipx::add_register_parameter {-quiet 0} 2 2 { need [lindex $rest 1]; return [make parameter:[lindex $rest 1]:[lindex $rest 0]] }
known ipx::create_xgui_files {} 1 1 { need [lindex $rest 0] }
known ipx::update_checksums {} 1 1 { need [lindex $rest 0] }
known ipx::check_integrity {-kernel 0 -quiet 0} 1 1 { need [lindex $rest 0] }
known ipx::save_core {} 1 1 { need [lindex $rest 0] }
known package_xo {-force 0 -xo_path 1 -kernel_name 1 -ip_directory 1 -kernel_xml 1 -ctrl_protocol 1} 0 0 {
    need [option $words -ip_directory]; need_file [option $words -kernel_xml]; make [option $words -xo_path]
}

# Block designs.
known create_bd_design {} 1 1 { make design:[lindex $rest 0] }
known create_bd_cell {-type 1 -vlnv 1 -reference 1} 1 1 {
    if {[option $words -vlnv] eq "" && [option $words -reference] eq ""} { error "create_bd_cell: neither IP nor module" }
    return [make cell:[lindex $rest 0]]
}
known apply_bd_automation {-rule 1 -config 1} 1 1 { need [lindex $rest 0] }
known get_bd_cells {-quiet 0} 1 1 { return [need cell:[lindex $rest 0]] }
known get_bd_pins {} 1 1 { need cell:[file dirname [lindex $rest 0]]; return pin:[lindex $rest 0] }
known get_bd_intf_pins {} 1 1 { need cell:[file dirname [lindex $rest 0]]; return bus:[lindex $rest 0] }
known connect_bd_net {} 2 32
known connect_bd_intf_net {} 2 2
known assign_bd_address {} 0 1
known validate_bd_design {} 0 0
known save_bd_design {} 0 0
known make_wrapper {-files 1 -top 0 -import 0} 0 0
known generate_target {} 2 2

# Runs.
known launch_runs {-to_step 1 -jobs 1} 1 1
known wait_on_runs {} 1 1
known open_run {} 1 1
known get_runs {} 1 1 { return run:[lindex $rest 0] }
known report_utilization {-file 1} 0 0 { make [option $words -file] }
known report_timing_summary {-file 1} 0 0 { make [option $words -file] }
known write_bitstream {-force 0} 1 1 { make [lindex $rest 0] }
known write_hwdef {-force 0 -file 1} 0 0 { make [option $words -file] }
