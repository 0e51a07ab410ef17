; Parallel regions: a kernel's units in chunks, which the caller and the threads that help it take one after another.
;
; A region lies on its caller's stack. `@seats` says who may use it: the low half is how many threads may still join, the high half how many
; are inside. When no chunk is left the caller takes the free seats away and waits for those inside, never for those that have not come: on
; a busy machine it does the work alone. One region runs at a time; whoever finds one running does its own work alone.
;
; RELAX, MODE, ADOPT and SETMASK stand for what differs between machines.

%Region = type { ptr, ptr, i64, i64, ptr, i64, i32, [20 x i8], i64, i64 }
; what runs [lo, hi) of the units: void (ptr frame, i64 lo, i64 hi, ptr scratch); its frame; how many units; units in a chunk;
; scratch, and its bytes for a thread; the caller's mode of arithmetic; on a line of their own, the next chunk and the next scratch

@tensorc.spins = global i64 0 ; how often a thread looks for work before it sleeps
@tensorc.poll = global ptr null ; i64 (): whether the caller was interrupted, asked by it between two chunks
@tensorc.stopped = global ptr null ; the frame of the call that was interrupted: nothing more of it is run

@busy = internal global i32 0
@region = internal global ptr null
@seats = internal global i64 0, align 64
@asleep = internal global i64 0, align 64
@quit = internal global i32 0
@helpers = internal global i64 0
@threads = internal global [255 x i64] zeroinitializer
@mutex = internal global [16 x i64] zeroinitializer, align 64
@condition = internal global [16 x i64] zeroinitializer, align 64

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @sched_yield()

define void @tensorc.parallel(ptr %part, ptr %frame, i64 %units, i64 %chunk, i64 %threads, ptr %scratch, i64 %slot) nounwind {
entry:
  %region = alloca %Region, align 64
  %stopped = load atomic ptr, ptr @tensorc.stopped monotonic, align 8
  %over = icmp eq ptr %stopped, %frame
  br i1 %over, label %return, label %enter
return:
  ret void
enter:
  %taken = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %free = extractvalue { i32, i1 } %taken, 1
  br i1 %free, label %begin, label %alone
alone:
  call void %part(ptr %frame, i64 0, i64 %units, ptr %scratch)
  ret void
begin:
  store ptr %part, ptr %region
  %frame.at = getelementptr %Region, ptr %region, i64 0, i32 1
  store ptr %frame, ptr %frame.at
  %units.at = getelementptr %Region, ptr %region, i64 0, i32 2
  store i64 %units, ptr %units.at
  %chunk.at = getelementptr %Region, ptr %region, i64 0, i32 3
  store i64 %chunk, ptr %chunk.at
  %scratch.at = getelementptr %Region, ptr %region, i64 0, i32 4
  store ptr %scratch, ptr %scratch.at
  %slot.at = getelementptr %Region, ptr %region, i64 0, i32 5
  store i64 %slot, ptr %slot.at
  %mode.at = getelementptr %Region, ptr %region, i64 0, i32 6
  %mode = call i32 @mode()
  store i32 %mode, ptr %mode.at
  %next.at = getelementptr %Region, ptr %region, i64 0, i32 8
  store i64 0, ptr %next.at
  %slots.at = getelementptr %Region, ptr %region, i64 0, i32 9
  store i64 0, ptr %slots.at
  %wanted = sub i64 %threads, 1
  call void @recruit(i64 %wanted)
  store ptr %region, ptr @region
  store atomic i64 %wanted, ptr @seats seq_cst, align 64
  call void @wake()
  %poll = load ptr, ptr @tensorc.poll
  call void @work(ptr %region, ptr %poll)
  %closed = atomicrmw and ptr @seats, i64 -4294967296 acq_rel
  %spins = load i64, ptr @tensorc.spins
  br label %wait
wait:
  %left = phi i64 [ %spins, %begin ], [ %less, %pause ], [ 0, %yield ]
  %seats = load atomic i64, ptr @seats acquire, align 64
  %empty = icmp eq i64 %seats, 0
  br i1 %empty, label %done, label %hold
hold:
  %less = sub i64 %left, 1
  %patient = icmp sgt i64 %less, 0
  br i1 %patient, label %pause, label %yield
pause:
  call void @relax()
  br label %wait
yield:
  %yielded = call i32 @sched_yield()
  br label %wait
done:
  store atomic i32 0, ptr @busy release, align 4
  ret void
}

; Takes chunks until none is left, or until the answer of `poll` is that none should be. A thread has scratch of its own from its first
; chunk on.
define internal void @work(ptr %region, ptr %poll) nounwind {
entry:
  %part = load ptr, ptr %region
  %frame.at = getelementptr %Region, ptr %region, i64 0, i32 1
  %frame = load ptr, ptr %frame.at
  %units.at = getelementptr %Region, ptr %region, i64 0, i32 2
  %units = load i64, ptr %units.at
  %chunk.at = getelementptr %Region, ptr %region, i64 0, i32 3
  %chunk = load i64, ptr %chunk.at
  %next.at = getelementptr %Region, ptr %region, i64 0, i32 8
  %first = atomicrmw add ptr %next.at, i64 1 monotonic
  %first.lo = mul i64 %first, %chunk
  %any = icmp slt i64 %first.lo, %units
  br i1 %any, label %begin, label %none
none:
  ret void
begin:
  %slots.at = getelementptr %Region, ptr %region, i64 0, i32 9
  %number = atomicrmw add ptr %slots.at, i64 1 monotonic
  %slot.at = getelementptr %Region, ptr %region, i64 0, i32 5
  %slot = load i64, ptr %slot.at
  %offset = mul i64 %number, %slot
  %base.at = getelementptr %Region, ptr %region, i64 0, i32 4
  %base = load ptr, ptr %base.at
  %scratch = getelementptr i8, ptr %base, i64 %offset
  %mode.at = getelementptr %Region, ptr %region, i64 0, i32 6
  %mode = load i32, ptr %mode.at
  %own.mode = call i32 @mode()
  call void @adopt(i32 %mode)
  br label %loop
loop:
  %lo = phi i64 [ %first.lo, %begin ], [ %following.lo, %next ]
  %end = add i64 %lo, %chunk
  %hi = call i64 @llvm.smin.i64(i64 %end, i64 %units)
  call void %part(ptr %frame, i64 %lo, i64 %hi, ptr %scratch)
  %asks = icmp ne ptr %poll, null
  br i1 %asks, label %ask, label %next
ask:
  %answer = call i64 %poll()
  %stops = icmp ne i64 %answer, 0
  br i1 %stops, label %stop, label %next
stop:
  store atomic ptr %frame, ptr @tensorc.stopped monotonic, align 8
  %whole = udiv i64 %units, %chunk
  %none.left = add i64 %whole, 1
  store atomic i64 %none.left, ptr %next.at monotonic, align 8
  br label %done
next:
  %following = atomicrmw add ptr %next.at, i64 1 monotonic
  %following.lo = mul i64 %following, %chunk
  %more = icmp slt i64 %following.lo, %units
  br i1 %more, label %loop, label %done
done:
  call void @adopt(i32 %own.mode)
  ret void
}

; Starts helpers until there are so many, or until the system gives no more. Signals are left to the threads that there were before.
define internal void @recruit(i64 %wanted) nounwind {
entry:
  %all = alloca [16 x i64]
  %old = alloca [16 x i64]
  %most = call i64 @llvm.smin.i64(i64 %wanted, i64 255)
  %have = load i64, ptr @helpers
  %enough = icmp sge i64 %have, %most
  br i1 %enough, label %return, label %begin
return:
  ret void
begin:
  %filled = call i32 @sigfillset(ptr %all)
  %masked = call i32 @pthread_sigmask(i32 SETMASK, ptr %all, ptr %old)
  br label %loop
loop:
  %number = phi i64 [ %have, %begin ], [ %more, %started ]
  %missing = icmp slt i64 %number, %most
  br i1 %missing, label %start, label %end
start:
  %place = getelementptr i64, ptr @threads, i64 %number
  %failed = call i32 @pthread_create(ptr %place, ptr null, ptr @help, ptr null)
  %runs = icmp eq i32 %failed, 0
  br i1 %runs, label %started, label %end
started:
  %more = add i64 %number, 1
  store i64 %more, ptr @helpers
  br label %loop
end:
  %restored = call i32 @pthread_sigmask(i32 SETMASK, ptr %old, ptr null)
  ret void
}

; A helper: joins a region, or waits for one, for a while awake.
define internal ptr @help(ptr %unused) nounwind {
entry:
  br label %look
look:
  %spins = load i64, ptr @tensorc.spins
  br label %spin
spin:
  %left = phi i64 [ %spins, %look ], [ %less, %relax ]
  %joined = call i1 @join()
  br i1 %joined, label %help, label %idle
help:
  %region = load ptr, ptr @region
  call void @work(ptr %region, ptr null)
  %before = atomicrmw sub ptr @seats, i64 4294967296 release
  br label %look
idle:
  %quit = load atomic i32, ptr @quit acquire, align 4
  %quits = icmp ne i32 %quit, 0
  br i1 %quits, label %leave, label %stay
stay:
  %less = sub i64 %left, 1
  %awake = icmp sgt i64 %less, 0
  br i1 %awake, label %relax, label %sleep
relax:
  call void @relax()
  br label %spin
sleep:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %slept = atomicrmw add ptr @asleep, i64 1 seq_cst
  br label %test
test:
  %seats = load atomic i64, ptr @seats seq_cst, align 64
  %free = and i64 %seats, 4294967295
  %open = icmp ne i64 %free, 0
  %quit.now = load atomic i32, ptr @quit seq_cst, align 4
  %quits.now = icmp ne i32 %quit.now, 0
  %called = or i1 %open, %quits.now
  br i1 %called, label %rise, label %doze
doze:
  %dozed = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %test
rise:
  %risen = atomicrmw sub ptr @asleep, i64 1 seq_cst
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %look
leave:
  ret ptr null
}

; Takes a seat, if one is free.
define internal i1 @join() nounwind {
entry:
  %seen = load atomic i64, ptr @seats acquire, align 64
  br label %try
try:
  %seats = phi i64 [ %seen, %entry ], [ %now, %take ]
  %free = and i64 %seats, 4294967295
  %full = icmp eq i64 %free, 0
  br i1 %full, label %no, label %take
take:
  %fewer = add i64 %seats, 4294967295 ; one inside more, one seat less
  %swapped = cmpxchg ptr @seats, i64 %seats, i64 %fewer acq_rel acquire
  %now = extractvalue { i64, i1 } %swapped, 0
  %done = extractvalue { i64, i1 } %swapped, 1
  br i1 %done, label %yes, label %try
yes:
  ret i1 true
no:
  ret i1 false
}

define internal void @wake() nounwind {
entry:
  %asleep = load atomic i64, ptr @asleep seq_cst, align 64
  %any = icmp ne i64 %asleep, 0
  br i1 %any, label %call, label %return
call:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %woken = call i32 @pthread_cond_broadcast(ptr @condition)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
return:
  ret void
}

; As it is in a new process, or in the child of a fork, which has the forking thread alone.
define void @tensorc.reset() nounwind {
  %mutex = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %condition = call i32 @pthread_cond_init(ptr @condition, ptr null)
  store i64 0, ptr @helpers
  store i64 0, ptr @asleep
  store i64 0, ptr @seats
  store i32 0, ptr @quit
  store atomic i32 0, ptr @busy release, align 4
  ret void
}

; Ends the helpers, and every region from now on runs alone. 0 where one is running, and nothing was done.
define i32 @tensorc.stop() nounwind {
entry:
  %taken = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %free = extractvalue { i32, i1 } %taken, 1
  br i1 %free, label %begin, label %no
no:
  ret i32 0
begin:
  store atomic i32 1, ptr @quit seq_cst, align 4
  call void @wake()
  %count = load i64, ptr @helpers
  br label %loop
loop:
  %number = phi i64 [ 0, %begin ], [ %following, %end ]
  %more = icmp slt i64 %number, %count
  br i1 %more, label %end, label %done
end:
  %place = getelementptr i64, ptr @threads, i64 %number
  %thread = load i64, ptr %place
  %joined = call i32 @pthread_join(i64 %thread, ptr null)
  %following = add i64 %number, 1
  br label %loop
done:
  store i64 0, ptr @helpers
  ret i32 1
}

declare i64 @llvm.smin.i64(i64, i64)

; What differs between machines: waiting for a moment; and the mode of arithmetic, such as whether denormals are flushed, which decides
; about bits and so is the caller's in all threads.

define internal void @relax() nounwind alwaysinline {
  RELAX
  ret void
}

define internal i32 @mode() nounwind {
  %place = alloca i32
  store i32 0, ptr %place
  MODE
  %mode = load i32, ptr %place
  ret i32 %mode
}

define internal void @adopt(i32 %mode) nounwind {
  %place = alloca i32
  store i32 %mode, ptr %place
  ADOPT
  ret void
}
