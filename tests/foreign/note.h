/* SPDX-License-Identifier: Apache-2.0 */
/* note TYPE, DIRECTIVE VALUE: an ELF note of Xen's (xen/elfnote.h). For assembler sources. */
    .macro note type:req, value:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long   2f - 1f, 4f - 3f, \type
1:  .asciz  "Xen"
2:  .balign 4
3:  \value
4:  .balign 4
    .popsection
    .endm
