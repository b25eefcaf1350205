;;; bitmill-mode.el --- Core ML quantization recipes  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: languages
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; A mode for bitmill recipes: highlighting, indentation, an outline for imenu, and the server through Eglot.

;;; Code:

(require 'bitmill-words)
(require 'seq)
(require 'subr-x)

(defvar eglot-server-programs)
(declare-function eglot-current-server "eglot")
(declare-function eglot--TextDocumentIdentifier "eglot")
(declare-function jsonrpc-request "jsonrpc")

(defgroup bitmill nil
  "Core ML quantization recipes."
  :group 'languages
  :prefix "bitmill-")

(defcustom bitmill-program "bitmill"
  "The bitmill program, which holds the server."
  :type 'string)

(defcustom bitmill-indent-offset 2
  "How far lines between brackets and behind an arrow are indented."
  :type 'natnum
  :safe #'natnump)

(defvar bitmill-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?# "<" table)
    (modify-syntax-entry ?\n ">" table)
    (modify-syntax-entry ?\" "\"" table)
    (modify-syntax-entry ?\\ "\\" table)
    (modify-syntax-entry ?_ "_" table)
    (modify-syntax-entry ?- "_" table)
    (modify-syntax-entry ?' "." table)
    (dolist (sign '(?= ?< ?> ?! ?% ?, ?: ?* ?? ?/))
      (modify-syntax-entry sign "." table))
    table)
  "Syntax of recipes: names have hyphens.")

(defun bitmill--words (words)
  "A regular expression for whole WORDS."
  (concat "\\_<" (regexp-opt words t) "\\_>"))

(defvar bitmill-font-lock-keywords
  (let ((no-rule "\\(?:[ \t]*\\(?:=>\\|,\\|\\_<\\(?:and\\|or\\|where\\)\\_>\\)\\)"))
    `((,(concat "^[ \t]*" (bitmill--words bitmill-words-statements))
       (1 (unless (save-excursion (goto-char (match-end 0)) (looking-at-p ,no-rule))
            'font-lock-keyword-face)))
      (,(concat "^[ \t]*expect[ \t]+.*?" (bitmill--words bitmill-words-expectations))
       (1 'font-lock-keyword-face))
      ("^[ \t]*scheme[ \t]+\\(\\(?:\\sw\\|\\s_\\)+\\)" (1 'font-lock-type-face))
      ("/\\(?:[^/\\\\\n]\\|\\\\.\\)+/" (0 'font-lock-string-face))
      (,(concat "\\_<\\(?:" (regexp-opt bitmill-words-platforms) "\\)[0-9]+\\(?:\\.[0-9]+\\)*\\_>")
       (0 'font-lock-constant-face))
      (,(bitmill--words bitmill-words-connectives) (1 'font-lock-builtin-face))
      (,(bitmill--words bitmill-words-bases) (1 'font-lock-type-face))
      (,(bitmill--words bitmill-words-parts) (1 'font-lock-function-name-face))
      (,(bitmill--words bitmill-words-constants) (1 'font-lock-constant-face))
      (,(bitmill--words bitmill-words-kinds) (1 'font-lock-type-face))
      (,(bitmill--words bitmill-words-facts) (1 'font-lock-variable-name-face))
      (,(concat "\\_<-?[0-9][0-9_]*\\(?:\\.[0-9]+\\)?\\(?:[eE][+-]?[0-9]+\\)?\\(?:%\\|[ \t]*\\(?:"
                (regexp-opt bitmill-words-units) "\\)\\_>\\)?")
       (0 'font-lock-constant-face))))
  "What is highlighted in recipes.")

(defun bitmill-indentation ()
  "How far the line at point should be indented."
  (save-excursion
    (beginning-of-line)
    (let* ((depth (car (syntax-ppss)))
           (closes (looking-at-p "[ \t]*[])}]"))
           (inside (max 0 (- depth (if closes 1 0)))))
      (if (> depth 0)
          (* bitmill-indent-offset inside)
        (if (bitmill--goes-on-p) bitmill-indent-offset 0)))))

(defun bitmill--goes-on-p ()
  "Whether the line before ends in the middle of a statement."
  (save-excursion
    (and (zerop (forward-line -1))
         (looking-at-p "[^#\n]*\\(?:=>\\|[^=<>!]=\\|,\\)[ \t]*\\(?:#.*\\)?$"))))

(defun bitmill-indent-line ()
  "Indents the line at point."
  (let ((behind (- (point-max) (point))))
    (indent-line-to (bitmill-indentation))
    (when (> (- (point-max) behind) (point))
      (goto-char (- (point-max) behind)))))

(defvar bitmill-imenu-expression
  '(("Schemes" "^[ \t]*scheme[ \t]+\\(\\(?:\\sw\\|\\s_\\)+\\)" 1)
    ("Rules" "^\\([^#\n]+?\\)[ \t]*=>" 1)))

(defun bitmill--execute (command &rest arguments)
  "Has the server execute COMMAND for this recipe with more ARGUMENTS."
  (unless (and (fboundp 'eglot-current-server) (eglot-current-server))
    (user-error "No bitmill server: M-x eglot starts one"))
  (let ((uri (plist-get (eglot--TextDocumentIdentifier) :uri)))
    (jsonrpc-request (eglot-current-server) :workspace/executeCommand
                     `(:command ,command :arguments ,(vconcat (list uri) arguments))
                     :timeout 600)))

(defun bitmill--show (name text)
  "Shows TEXT in a buffer NAME."
  (with-current-buffer (get-buffer-create name)
    (let ((inhibit-read-only t))
      (erase-buffer)
      (insert (if (stringp text) text (format "%S" text)))
      (goto-char (point-min)))
    (special-mode)
    (display-buffer (current-buffer))))

(defun bitmill-plan ()
  "Shows what becomes of every weight."
  (interactive)
  (bitmill--show (format "*plan of %s*" (buffer-name)) (bitmill--execute "bitmill.plan")))

(defun bitmill-run ()
  "Saves the recipe and quantizes its model."
  (interactive)
  (save-buffer)
  (let ((answer (bitmill--execute "bitmill.run")))
    (when (stringp answer) (message "%s" answer))))

(defun bitmill-explain (word)
  "Shows the page of WORD: a code, a word of the language, a preset, a target."
  (interactive (list (read-string "Explain: " (thing-at-point 'symbol t))))
  (bitmill--show (format "*bitmill %s*" word) (bitmill--execute "bitmill.explain" word)))

(defun bitmill-pick-model (model)
  "Has the server take MODEL for this recipe."
  (interactive "fModel: ")
  (bitmill--execute "bitmill.pickModel" (expand-file-name model)))

(defvar bitmill-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-p") #'bitmill-plan)
    (define-key map (kbd "C-c C-c") #'bitmill-run)
    (define-key map (kbd "C-c C-e") #'bitmill-explain)
    (define-key map (kbd "C-c C-m") #'bitmill-pick-model)
    map)
  "Keys of `bitmill-mode'.")

;;;###autoload
(define-derived-mode bitmill-mode prog-mode "bitmill"
  "A mode for bitmill recipes."
  (setq-local comment-start "# ")
  (setq-local comment-start-skip "#+[ \t]*")
  (setq-local comment-end "")
  (setq-local indent-tabs-mode nil)
  (setq-local indent-line-function #'bitmill-indent-line)
  (setq-local font-lock-defaults '(bitmill-font-lock-keywords))
  (setq-local imenu-generic-expression bitmill-imenu-expression))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.bitmill\\'" . bitmill-mode))

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs
               (cons 'bitmill-mode (lambda (&rest _) (list bitmill-program "lsp")))))

(provide 'bitmill-mode)
;;; bitmill-mode.el ends here
