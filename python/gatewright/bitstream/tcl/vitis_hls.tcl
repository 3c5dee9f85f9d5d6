# SPDX-License-Identifier: Apache-2.0
# Commands of Vitis HLS that the scripts of hls4ml use, with their options, for recorder.tcl. From AMD UG1399.
known open_project {-reset 0} 1 1 { make project }
known open_solution {-reset 0} 1 1 { need project; make solution }
known set_top {} 1 1 { need project }
known add_files {-tb 0 -cflags 1 -csimflags 1} 1 1 { need project; foreach path $rest { need_file $path } }
known config_array_partition {-maximum_size 1 -complete_threshold 1} 0 0 { need solution }
known config_compile {-name_max_length 1} 0 0 { need solution }
known config_schedule {-enable_dsp_full_reg=false 0 -enable_dsp_full_reg=true 0} 0 0 { need solution }
known set_part {} 1 1 { need solution }
known create_clock {-period 1 -name 1} 0 0 { need solution }
known set_clock_uncertainty {} 1 2 { need solution }
known csim_design {} 0 0 { need solution }
known csynth_design {} 0 0 { need solution }
known cosim_design {-trace_level 1 -setup 0} 0 0 { need solution }
known export_design {-format 1 -version 1} 0 0 { need solution }
