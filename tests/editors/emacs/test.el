;;; test.el --- bitmill-mode with a real server  -*- lexical-binding: t; -*-

;;; Code:

(require 'cl-lib)
(require 'flymake)
(require 'eglot)
(require 'bitmill-mode)

(setq bitmill-program (getenv "BITMILL_BIN")
      eglot-autoshutdown nil
      eglot-connect-timeout 30
      eglot-sync-connect 30
      eglot-confirm-server-initiated-edits nil
      eglot-send-changes-idle-time 0.01)

(defconst test-seconds 20)

(defmacro test-until (what &rest body)
  "Waits for WHAT, which is there when BODY is not nil."
  (declare (indent 1))
  `(let ((end (+ (float-time) test-seconds)) answer)
     (while (not (setq answer (progn ,@body)))
       (when (> (float-time) end) (error "Waited %d s for %s" test-seconds ,what))
       (accept-process-output nil 0.02))
     answer))

(defun test-open ()
  "The recipe in a fresh buffer, known to the server."
  (let ((old (get-file-buffer "recipe.bitmill")))
    (when old
      (with-current-buffer old (set-buffer-modified-p nil))
      (kill-buffer old)))
  (find-file "recipe.bitmill")
  (eglot-ensure)
  (run-hooks 'post-command-hook)
  (unless (eglot-managed-p)
    (apply #'eglot (eglot--guess-contact)))
  (test-until "the server" (eglot-current-server)))

(defun test-changed ()
  "Tells the server about changes at once."
  (eglot--signal-textDocument/didChange))

(defun test-at (text &optional offset)
  "Puts point OFFSET characters into TEXT."
  (goto-char (point-min))
  (search-forward text)
  (goto-char (+ (match-beginning 0) (or offset 0))))

(defun test-findings ()
  "The findings of the server, as Flymake has them."
  ;; In batch mode nothing else starts it again for a file that is opened a second time.
  (flymake-start)
  (mapcar #'flymake-diagnostic-text (flymake-diagnostics)))

(defun test-face (text)
  "The face of TEXT."
  (test-at text)
  (let ((face (get-text-property (point) 'face)))
    (if (consp face) (car face) face)))

(defvar test-failed 0)

(defmacro test-that (name &rest body)
  "Runs BODY as the test NAME."
  (declare (indent 1))
  `(let ((start (float-time)))
     (condition-case failure
         (progn ,@body (message "ok    %s (%d ms)" ,name (* 1000 (- (float-time) start))))
       (error (cl-incf test-failed) (message "FAIL  %s: %S" ,name failure)))))

(test-that "knows the mode, highlights, indents"
  (find-file "recipe.bitmill")
  (cl-assert (eq major-mode 'bitmill-mode))
  (font-lock-ensure)
  (cl-loop for (text face) in '(("model" font-lock-keyword-face) ("\"models" font-lock-string-face)
                                ("iOS18" font-lock-constant-face) ("w8 =" font-lock-type-face)
                                ("conv" font-lock-type-face) ("int4" font-lock-type-face)
                                ("per-group" font-lock-function-name-face) ("48" font-lock-constant-face)
                                ("size" font-lock-keyword-face))
           do (cl-assert (eq (test-face text) face) t "%s has %s" text (test-face text)))
  (with-temp-buffer
    (bitmill-mode)
    (insert "linear =>\nint4 per-group(\n32\n)\nembedding => keep\n")
    (indent-region (point-min) (point-max))
    (cl-assert (equal (buffer-string) "linear =>\n  int4 per-group(\n  32\n)\nembedding => keep\n") t))
  (cl-assert (assoc "Schemes" (funcall imenu-create-index-function))))

(test-that "finds what is wrong"
  (test-open)
  (test-until "a finding" (cl-some (lambda (text) (string-match-p "48" text)) (test-findings))))

(test-that "mends it"
  (test-open)
  (test-until "a finding" (test-findings))
  (test-at "per-group(48)" 1)
  (let* ((actions (eglot-code-actions (point) (point) nil nil))
         (fix (cl-find-if (lambda (action) (string-match-p "per-group(32)" (plist-get action :title)))
                          (append actions nil))))
    (cl-assert fix t)
    (eglot--apply-workspace-edit (plist-get fix :edit)))
  (test-at "per-group(32)"))

(test-that "completes"
  (test-open)
  (goto-char (point-min))
  (search-forward "scheme w8 = int8 ")
  (pcase-let* ((`(,start ,end ,table . ,_) (run-hook-wrapped 'completion-at-point-functions #'funcall))
               (found (all-completions (buffer-substring start end) table)))
    (cl-assert (cl-some (lambda (label) (string-prefix-p "per-channel" label)) found) t)))

(test-that "formats"
  (test-open)
  (test-at "conv   => w8")
  (delete-region (point) (line-end-position))
  (insert "conv=>w8")
  (test-changed)
  (eglot-format-buffer)
  (test-at "conv   => w8"))

(test-that "renames"
  (test-open)
  (test-at "=> w8" 3)
  (eglot-rename "w8b")
  (cl-assert (= 2 (how-many "w8b" (point-min) (point-max)))))

(test-that "shows the plan"
  (test-open)
  (bitmill-plan)
  (with-current-buffer "*plan of recipe.bitmill*" (test-at "per-channel")))

(let ((server (eglot-current-server)))
  (when server
    ;; Eglot 1.9 kills the server after `shutdown` and complains about how it ended.
    (ignore-errors (eglot-shutdown server nil 5))))
(kill-emacs (if (zerop test-failed) 0 1))

;;; test.el ends here
