# SPDX-License-Identifier: Apache-2.0
# Runs a script of a vendor's tool without that tool: tclsh recorder.tcl commands.tcl script.tcl
#
# Every command that the script may use is declared in commands.tcl; one that is not, an option that it does not have, a
# wrong number of arguments, a file that does not exist, or an object that nobody made is an error. What was called is
# printed as RECORDED lines. This proves spelling and consistency, not what the vendor's tool would say.
set recorded {}
set made {}

# Words of a call without its options; `options` is a list of {-name number_of_values}.
proc positional {name options words} {
    set found {}
    for {set i 0} {$i < [llength $words]} {incr i} {
        set word [lindex $words $i]
        if {[string match -* $word] && ![string is double $word]} {
            if {![dict exists $options $word]} { error "$name has no option $word" }
            set values [dict get $options $word]
            if {$i + $values >= [llength $words]} { error "$name $word: a value is missing" }
            incr i $values
        } else {
            lappend found $word
        }
    }
    return $found
}

# Value of an option in a call, or empty.
proc option {words name} {
    set at [lsearch -exact $words $name]
    return [expr {$at < 0 ? "" : [lindex $words [expr {$at + 1}]]}]
}

# known NAME OPTIONS LEAST MOST ?BODY?: a command. BODY sees `words`, `rest` (words without options) and returns its value.
proc known {name options least most {body {return ""}}} {
    set check [list $name $options $least $most]
    proc $name {args} "
        lassign {$check} name options least most
        set words \$args
        set rest \[positional \$name \$options \$words\]
        if {\[llength \$rest\] < \$least || \[llength \$rest\] > \$most} {
            error \"\$name: \[llength \$rest\] arguments, not \$least to \$most: \$rest\"
        }
        lappend ::recorded \[concat \$name \$words\]
        $body
    "
}

proc need_file {path} {
    if {![file exists $path] && $path ni $::made} { error "$path: no such file" }
}
proc make {object} {
    if {$object in $::made} { error "$object was made before" }
    lappend ::made $object
    return $object
}
proc need {object} {
    if {$object eq ""} { error "an object is empty" }
    if {$object ni $::made} { error "nobody made $object" }
    return $object
}

lassign $argv commands script
source $commands
rename exit leave
proc exit {{code 0}} {
    foreach line $::recorded { puts "RECORDED $line" }
    leave $code
}
if {[catch {source $script} problem options]} {
    puts stderr "$script, line [dict get $options -errorline]: $problem"
    leave 1
}
exit
