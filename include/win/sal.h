/* SPDX-License-Identifier: MIT */
/*
 * sal.h: the annotation words that Windows sources put in front of parameters, defined as nothing.
 *
 * The older, lower-case words are defined for C only: the C++ standard library uses __in and __out
 * as names of its own parameters and variables, and would not survive such macros. In C headers
 * they occur as names of prototype parameters at most, where losing the name changes nothing.
 */
#ifndef GW_WIN_SAL_H
#define GW_WIN_SAL_H

#ifndef _In_
#define _In_
#define _In_opt_
#define _In_reads_(n)
#define _In_reads_opt_(n)
#define _In_reads_bytes_(n)
#define _In_reads_bytes_opt_(n)
#define _In_z_
#define _Out_
#define _Out_opt_
#define _Out_writes_(n)
#define _Out_writes_opt_(n)
#define _Out_writes_bytes_(n)
#define _Out_writes_bytes_opt_(n)
#define _Inout_
#define _Inout_opt_
#define _Inout_updates_(n)
#define _Inout_updates_opt_(n)
#define _Inout_updates_bytes_(n)
#define _Inout_updates_bytes_opt_(n)
#define _Reserved_
#endif

#if !defined(__cplusplus) && !defined(__in)
#define __in
#define __in_opt
#define __in_ecount(n)
#define __in_ecount_opt(n)
#define __in_bcount(n)
#define __in_bcount_opt(n)
#define __out
#define __out_opt
#define __out_ecount(n)
#define __out_ecount_opt(n)
#define __out_bcount(n)
#define __out_bcount_opt(n)
#define __inout
#define __inout_opt
#define __inout_ecount(n)
#define __inout_bcount(n)
#endif

#endif /* GW_WIN_SAL_H */
